import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Runs one Elasticsearch or OpenSearch node until SIGTERM.
 *
 * <p>Arguments: the package of the server's classes, the home with modules/, the folder for its configuration, then
 * settings as key=value; one whose key begins with "secure:" goes into a keystore. All by reflection: one class serves
 * every version, and needs none of their jars to be compiled.
 */
public final class EmbeddedNode {
    private final String root;

    private EmbeddedNode(String root) {
        this.root = root;
    }

    public static void main(String[] args) throws Exception {
        new EmbeddedNode(args[0]).run(args);
    }

    private void run(String[] args) throws Exception {
        Path config = Files.createDirectories(Path.of(args[2]).toAbsolutePath());
        startLogging();
        Object settings = callStatic("common.settings.Settings", "builder");
        call(settings, "put", "path.home", args[1]);
        Object keystore = callStatic("common.settings.KeyStoreWrapper", "create");
        for (int i = 3; i < args.length; i++) {
            String[] pair = args[i].split("=", 2);
            if (pair[0].startsWith("secure:")) {
                call(keystore, "setString", pair[0].substring("secure:".length()), pair[1].toCharArray());
            } else {
                call(settings, "put", pair[0], pair[1]);
            }
        }
        call(settings, "setSecureSettings", keystore);
        Object environment = type("env.Environment")
            .getConstructor(type("common.settings.Settings"), Path.class)
            .newInstance(call(settings, "build"), config);
        Object node = newNode(environment);
        if (!exists("rest.action.RestMainAction")) {
            answerRoot(node);
        }

        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            asked.countDown();
            try {
                closed.await(30, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        try {
            call(node, "start");
            asked.await();
        } finally {
            call(node, "close");
            call(node, "awaitClose", 20L, TimeUnit.SECONDS);
            closed.countDown();
        }
    }

    private void startLogging() throws Exception {
        callStatic("common.logging.LogConfigurator", "setNodeName", "node");
        if (has("common.logging.LogConfigurator", "configureESLogging")) { // since 8
            callStatic("common.logging.LogConfigurator", "configureESLogging");
        }
        Object settings = callStatic("common.settings.Settings", "builder");
        call(settings, "put", "logger.level", "WARN");
        callStatic("common.logging.LogConfigurator", "configureWithoutConfig", call(settings, "build"));
    }

    /** Since 8.18 the modules are found by a loader that the node is given. */
    private Object newNode(Object environment) throws Exception {
        Class<?> node = type("node.Node");
        if (!exists("plugins.PluginsLoader")) {
            return node.getConstructor(environment.getClass()).newInstance(environment);
        }
        Object folder = call(environment, has("env.Environment", "modulesDir") ? "modulesDir" : "modulesFile");
        Object bundles;
        try {
            bundles = callStatic("plugins.PluginsLoader", "loadModulesBundles", folder);
        } catch (NoSuchMethodException e) { // 9 asks for one thing more
            bundles = callStatic("plugins.PluginsLoader", "loadModulesBundles", folder, false);
        }
        Object loader = callStatic(
            "plugins.PluginsLoader", "createPluginsLoader", bundles, Set.of(), Map.of(), false);
        return node.getConstructor(environment.getClass(), loader.getClass()).newInstance(environment, loader);
    }

    /** Since 8 "GET /" lives in the module rest-root, which is not published, and clients begin with it. */
    private void answerRoot(Object node) throws Exception {
        Object injector = call(node, "injector");
        Object cluster = call(injector, "getInstance", type("cluster.service.ClusterService"));
        Object transport = call(injector, "getInstance", type("http.HttpServerTransport"));
        var dispatcher = type("http.AbstractHttpServerTransport").getDeclaredField("dispatcher");
        dispatcher.setAccessible(true);
        Object controller = dispatcher.get(transport);
        Object ok = type("rest.RestStatus").getField("OK").get(null);
        var response = type("rest.RestResponse").getConstructor(ok.getClass(), String.class, String.class);
        InvocationHandler answer = (self, method, args) -> switch (method.getName()) {
            case "handleRequest" ->
                call(args[1], "sendResponse", response.newInstance(ok, "application/json", rootAnswer(cluster)));
            case "hashCode" -> System.identityHashCode(self);
            case "equals" -> self == args[0];
            case "toString" -> "GET /";
            default -> InvocationHandler.invokeDefault(self, method, args);
        };
        Object handler = Proxy.newProxyInstance(
            EmbeddedNode.class.getClassLoader(), new Class<?>[] {type("rest.RestHandler")}, answer);
        Class<?> verb = type("rest.RestRequest$Method");
        for (String name : new String[] {"GET", "HEAD"}) {
            Object route = type("rest.RestHandler$Route").getConstructor(verb, String.class)
                .newInstance(verb.getField(name).get(null), "/");
            call(controller, "registerHandler", route, handler);
        }
    }

    private String rootAnswer(Object cluster) throws Exception {
        return String.format("""
            {"name": "%s", "cluster_name": "%s", "cluster_uuid": "%s",
             "version": {"number": "%s", "build_flavor": "default", "build_type": "maven", "lucene_version": "%s"},
             "tagline": "You Know, for Search"}
            """,
            call(cluster, "getNodeName"),
            call(call(cluster, "getClusterName"), "value"),
            call(call(call(cluster, "state"), "metadata"), "clusterUUID"),
            call(callStatic("Build", "current"), "version"),
            Class.forName("org.apache.lucene.util.Version").getField("LATEST").get(null));
    }

    private Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName(root + "." + name);
    }

    private boolean exists(String name) {
        try {
            type(name);
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    private boolean has(String type, String method) throws ClassNotFoundException {
        for (Method found : type(type).getMethods()) {
            if (found.getName().equals(method)) {
                return true;
            }
        }
        return false;
    }

    private Object callStatic(String type, String name, Object... args) throws Exception {
        return invoke(type(type), null, name, args);
    }

    private static Object call(Object target, String name, Object... args) throws Exception {
        return invoke(target.getClass(), target, name, args);
    }

    private static Object invoke(Class<?> type, Object target, String name, Object... args) throws Exception {
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name) && takes(method.getParameterTypes(), args)) {
                method.setAccessible(true); // public, though not always in a public class
                try {
                    return method.invoke(target, args);
                } catch (InvocationTargetException e) {
                    throw e.getCause() instanceof Exception cause ? cause : e;
                }
            }
        }
        throw new NoSuchMethodException(type.getName() + "." + name);
    }

    private static boolean takes(Class<?>[] types, Object[] args) {
        boolean all = types.length == args.length;
        for (int i = 0; all && i < types.length; i++) {
            all = types[i].isInstance(args[i])
                || types[i] == boolean.class && args[i] instanceof Boolean
                || types[i] == long.class && args[i] instanceof Long;
        }
        return all;
    }
}
