import static io.opentelemetry.api.common.AttributeKey.booleanArrayKey;
import static io.opentelemetry.api.common.AttributeKey.doubleArrayKey;
import static io.opentelemetry.api.common.AttributeKey.longArrayKey;
import static io.opentelemetry.api.common.AttributeKey.stringArrayKey;
import static io.opentelemetry.api.common.AttributeKey.stringKey;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Sends the tree of tests/peers/tree.py with the Java SDK and prints which ids it got.
 *
 * <p>Arguments: protocol (grpc, http/protobuf), endpoint, the tree's first instant in Unix ns.
 */
public final class Client {
  private static long baseNs;

  public static void main(String[] arguments) {
    baseNs = Long.parseLong(arguments[2]);
    SdkTracerProvider provider =
        SdkTracerProvider.builder()
            .setResource(
                Resource.getDefault()
                    .merge(
                        Resource.create(
                            Attributes.builder()
                                .put("service.name", "shop")
                                .put("replicas", 3)
                                .put(stringArrayKey("zones"), List.of("a", "b"))
                                .build())))
            .addSpanProcessor(
                BatchSpanProcessor.builder(exporter(arguments[0], arguments[1])).build())
            .build();
    Tracer tracer =
        provider.tracerBuilder("shop.orders").setInstrumentationVersion("1.2.3").build();
    List<Span> spans = tree(tracer);
    CompletableResultCode flushed = provider.forceFlush().join(20, TimeUnit.SECONDS);
    provider.shutdown().join(20, TimeUnit.SECONDS);
    System.out.println(ids(spans));
    System.exit(flushed.isSuccess() ? 0 : 1);
  }

  private static SpanExporter exporter(String protocol, String endpoint) {
    return protocol.equals("grpc")
        ? OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).build()
        : OtlpHttpSpanExporter.builder()
            .setEndpoint(endpoint + "/v1/traces")
            .setCompression("gzip")
            .build();
  }

  private static List<Span> tree(Tracer tracer) {
    Span order = start(tracer, "order", SpanKind.SERVER, null, 0);
    order.setAttribute("text", "grüße 🎉");
    order.setAttribute("empty", "");
    order.setAttribute("yes", true);
    order.setAttribute("no", false);
    order.setAttribute("whole", 42);
    order.setAttribute("negative", -7);
    order.setAttribute("big", 9007199254740991L);
    order.setAttribute("smallest", Long.MIN_VALUE);
    order.setAttribute("ratio", 0.1);
    order.setAttribute("tiny", 1e-300);
    order.setAttribute("not_a_number", Double.NaN);
    order.setAttribute("infinite", Double.POSITIVE_INFINITY);
    order.setAttribute(stringArrayKey("texts"), List.of("a", "", "ü"));
    order.setAttribute(booleanArrayKey("booleans"), List.of(true, false));
    order.setAttribute(longArrayKey("wholes"), List.of(1L, -2L));
    order.setAttribute(doubleArrayKey("ratios"), List.of(0.5, 1e-9));
    order.setAttribute(stringArrayKey("nothing"), List.of());

    Span reserve = start(tracer, "reserve stock", SpanKind.INTERNAL, order, 1_000_001);
    reserve.addEvent(
        "picked",
        Attributes.builder().put("shelf", "B7").put("count", 3).put("heavy", false).build(),
        baseNs + 1_500_003,
        TimeUnit.NANOSECONDS);
    reserve.addEvent("packed", baseNs + 1_700_007, TimeUnit.NANOSECONDS);
    Span notify = start(tracer, "notify", SpanKind.PRODUCER, reserve, 1_800_000);
    end(notify, 1_900_000);
    reserve.setStatus(StatusCode.OK);
    end(reserve, 2_000_002);

    Span charge =
        tracer
            .spanBuilder("charge card")
            .setSpanKind(SpanKind.CLIENT)
            .setParent(Context.root().with(order))
            .setStartTimestamp(baseNs + 3_000_003, TimeUnit.NANOSECONDS)
            .addLink(
                SpanContext.createFromRemoteParent(
                    "0af7651916cd43dd8448eb211c80319c",
                    "b7ad6b7169203331",
                    TraceFlags.getSampled(),
                    TraceState.builder().put("vendor", "x").build()),
                Attributes.builder().put("why", "retry of").put("attempt", 2).build())
            .addLink(reserve.getSpanContext())
            .startSpan();
    charge.recordException(
        new IllegalStateException("card declined"),
        Attributes.of(stringKey("card"), "4242"));
    charge.setStatus(StatusCode.ERROR, "card declined");
    end(charge, 4_000_004);

    end(order, 5_000_005);
    return List.of(order, reserve, notify, charge);
  }

  private static Span start(Tracer tracer, String name, SpanKind kind, Span parent, long afterNs) {
    return tracer
        .spanBuilder(name)
        .setSpanKind(kind)
        .setParent(parent == null ? Context.root() : Context.root().with(parent))
        .setStartTimestamp(baseNs + afterNs, TimeUnit.NANOSECONDS)
        .startSpan();
  }

  private static void end(Span span, long afterNs) {
    span.end(baseNs + afterNs, TimeUnit.NANOSECONDS);
  }

  private static String ids(List<Span> spans) {
    List<String> members = new ArrayList<>();
    for (Span span : spans) {
      members.add('"' + span.getSpanContext().getSpanId() + '"');
    }
    String traceId = spans.get(0).getSpanContext().getTraceId();
    return "{\"trace_id\": \"" + traceId + "\", \"span_ids\": [" + String.join(", ", members) + "]}";
  }
}
