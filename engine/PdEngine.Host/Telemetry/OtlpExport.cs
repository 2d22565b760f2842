using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace PdEngine.Host;

/// <summary>
/// Sends the engine's spans and metrics to a collector, from threads of its own: requests neither wait for it
/// nor fail by it, and what it does not take in time is dropped.
/// </summary>
internal sealed class OtlpExport : IDisposable
{
    private const int FlushMilliseconds = 3000;
    private const int MostSpansWaiting = 1 << 15;

    private readonly TracerProvider? _traces;
    private readonly MeterProvider? _metrics;

    /// <param name="options">What goes where.</param>
    /// <param name="heard">Told of a signal whenever its exports begin to fail, and to succeed again.</param>
    public OtlpExport(OtlpOptions options, Action<string, OtlpTarget, bool> heard)
    {
        // Variables count more than these names: the detector comes last.
        ResourceBuilder resource = ResourceBuilder.CreateEmpty()
            .AddService("pdengine", serviceVersion: typeof(Engine).Assembly.GetName().Version?.ToString(3))
            .AddTelemetrySdk().AddEnvironmentVariableDetector();
        if (options.Traces is { } spans)
        {
            WatchedSpans exporter = new(ExporterOptions(spans), Watch("traces", spans));
            _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource("PdEngine")
                .AddProcessor(new BatchActivityExportProcessor(
                    exporter, MostSpansWaiting, options.SpanDelayMilliseconds, spans.TimeoutMilliseconds))
                .Build();
        }
        if (options.Metrics is { } metrics)
        {
            WatchedMetrics exporter = new(ExporterOptions(metrics), Watch("metrics", metrics));
            _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter("PdEngine")
                .AddReader(new PeriodicExportingMetricReader(
                    exporter, options.MetricIntervalMilliseconds, metrics.TimeoutMilliseconds))
                .Build();
        }

        ExportWatch Watch(string signal, OtlpTarget target) => new(works => heard(signal, target, works));
    }

    /// <summary>Sends the metrics as they are: the gauges of an engine end with it.</summary>
    public void SendMetrics() => _metrics?.ForceFlush(FlushMilliseconds);

    /// <summary>Sends what is left, but does not wait long for it.</summary>
    public void Dispose()
    {
        Parallel.Invoke(
            () => _traces?.Shutdown(FlushMilliseconds), () => _metrics?.Shutdown(FlushMilliseconds));
        _traces?.Dispose();
        _metrics?.Dispose();
    }

    private static OtlpExporterOptions ExporterOptions(OtlpTarget target) => new()
    {
        Endpoint = target.Endpoint,
        Protocol = target.Protocol == OtlpProtocol.Grpc
            ? OtlpExportProtocol.Grpc
            : OtlpExportProtocol.HttpProtobuf,
        Headers = target.Headers,
        TimeoutMilliseconds = target.TimeoutMilliseconds,
    };
}
