// Sends the tree of tests/peers/tree.py with the JavaScript SDK and prints which ids it got.
// Arguments: protocol (grpc, http/protobuf, http/json), endpoint, the tree's first instant in Unix ns.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, createTraceState, trace } from '@opentelemetry/api';
import { CompressionAlgorithm } from '@opentelemetry/otlp-exporter-base';
import { OTLPTraceExporter as Grpc } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpJson } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as HttpProtobuf } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [protocol, endpoint, base] = process.argv.slice(2);

const at = (afterNs) => {
  const ns = BigInt(base) + BigInt(afterNs);
  return [Number(ns / 1_000_000_000n), Number(ns % 1_000_000_000n)];
};

const exporter = {
  grpc: () => new Grpc({ url: endpoint }),
  'http/json': () => new HttpJson({ url: `${endpoint}/v1/traces` }),
  'http/protobuf': () =>
    new HttpProtobuf({ url: `${endpoint}/v1/traces`, compression: CompressionAlgorithm.GZIP }),
}[protocol]();

const provider = new BasicTracerProvider({
  resource: defaultResource().merge(
    resourceFromAttributes({ 'service.name': 'shop', replicas: 3, zones: ['a', 'b'] }),
  ),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const tracer = provider.getTracer('shop.orders', '1.2.3');

const start = (name, kind, parent, afterNs, more = {}) =>
  tracer.startSpan(
    name,
    { kind, startTime: at(afterNs), ...more },
    parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT,
  );

const order = start('order', SpanKind.SERVER, null, 0);
order.setAttributes({
  text: 'grüße 🎉',
  empty: '',
  yes: true,
  no: false,
  whole: 42,
  negative: -7,
  big: Number.MAX_SAFE_INTEGER,
  ratio: 0.1,
  tiny: 1e-300,
  not_a_number: NaN,
  infinite: Infinity,
  texts: ['a', '', 'ü'],
  booleans: [true, false],
  wholes: [1, -2],
  ratios: [0.5, 1e-9],
  nothing: [],
});

const reserve = start('reserve stock', SpanKind.INTERNAL, order, 1_000_001);
reserve.addEvent('picked', { shelf: 'B7', count: 3, heavy: false }, at(1_500_003));
reserve.addEvent('packed', at(1_700_007));
const notify = start('notify', SpanKind.PRODUCER, reserve, 1_800_000);
notify.end(at(1_900_000));
reserve.setStatus({ code: SpanStatusCode.OK });
reserve.end(at(2_000_002));

const remote = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: TraceFlags.SAMPLED,
  traceState: createTraceState('vendor=x'),
  isRemote: true,
};
const charge = start('charge card', SpanKind.CLIENT, order, 3_000_003, {
  links: [
    { context: remote, attributes: { why: 'retry of', attempt: 2 } },
    { context: reserve.spanContext() },
  ],
});
charge.recordException(new RangeError('card declined'), at(3_500_003));
charge.setStatus({ code: SpanStatusCode.ERROR, message: 'card declined' });
charge.end(at(4_000_004));
order.end(at(5_000_005));

await provider.forceFlush();
await provider.shutdown();
console.log(
  JSON.stringify({
    trace_id: order.spanContext().traceId,
    span_ids: [order, reserve, notify, charge].map((span) => span.spanContext().spanId),
  }),
);
