import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.lucene.search.Query;
import org.elasticsearch.common.xcontent.support.XContentMapValues;
import org.elasticsearch.index.mapper.DocumentParserContext;
import org.elasticsearch.index.mapper.FieldMapper;
import org.elasticsearch.index.mapper.MappedFieldType;
import org.elasticsearch.index.mapper.Mapper;
import org.elasticsearch.index.mapper.MapperBuilderContext;
import org.elasticsearch.index.mapper.SourceValueFetcher;
import org.elasticsearch.index.mapper.TextSearchInfo;
import org.elasticsearch.index.mapper.ValueFetcher;
import org.elasticsearch.index.query.SearchExecutionContext;
import org.elasticsearch.plugins.MapperPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.xcontent.XContentParser.Token;

/**
 * A stand-in for dense_vector in 7.17, whose x-pack module "vectors" is not published: the mapping (type, dims), the
 * check of the length, and the values in _source; it cannot be searched.
 */
public final class DenseVectors extends Plugin implements MapperPlugin {
    @Override
    public Map<String, Mapper.TypeParser> getMappers() {
        return Map.of("dense_vector", new FieldMapper.TypeParser((name, context) -> new Builder(name)));
    }

    private static final class Builder extends FieldMapper.Builder {
        private final FieldMapper.Parameter<Integer> dims = new FieldMapper.Parameter<>(
            "dims", false, () -> null, (name, context, value) -> XContentMapValues.nodeIntegerValue(value),
            mapper -> ((Vectors) mapper).dims);

        Builder(String name) {
            super(name);
        }

        @Override
        protected List<FieldMapper.Parameter<?>> getParameters() {
            return List.of(dims);
        }

        @Override
        public FieldMapper build(MapperBuilderContext context) {
            if (dims.getValue() == null) {
                throw new IllegalArgumentException("dense_vector [" + name + "] has no [dims]");
            }
            return new Vectors(name, new Type(context.buildFullName(name)), dims.getValue(),
                multiFieldsBuilder.build(this, context), copyTo.build());
        }
    }

    private static final class Type extends MappedFieldType {
        Type(String name) {
            super(name, false, false, false, TextSearchInfo.NONE, Map.of());
        }

        @Override
        public String typeName() {
            return "dense_vector";
        }

        @Override
        public ValueFetcher valueFetcher(SearchExecutionContext context, String format) {
            return SourceValueFetcher.identity(name(), context, format);
        }

        @Override
        public Query termQuery(Object value, SearchExecutionContext context) {
            throw new IllegalArgumentException("dense_vector [" + name() + "] cannot be searched");
        }
    }

    private static final class Vectors extends FieldMapper {
        private final int dims;

        Vectors(String name, MappedFieldType type, int dims, MultiFields fields, CopyTo copyTo) {
            super(name, type, fields, copyTo);
            this.dims = dims;
        }

        @Override
        protected String contentType() {
            return "dense_vector";
        }

        @Override
        public FieldMapper.Builder getMergeBuilder() {
            return new DenseVectors.Builder(simpleName()).init(this);
        }

        @Override
        public boolean parsesArrayValue() {
            return true;
        }

        @Override
        public void parse(DocumentParserContext context) throws IOException {
            int count = 0;
            for (; context.parser().nextToken() != Token.END_ARRAY; count++) {
                context.parser().floatValue();
            }
            if (count != dims) {
                throw new IllegalArgumentException(
                    "dense_vector [" + name() + "] has " + count + " dimensions instead of " + dims);
            }
        }

        @Override
        protected void parseCreateField(DocumentParserContext context) {
            throw new AssertionError("parse does not call it");
        }
    }
}
