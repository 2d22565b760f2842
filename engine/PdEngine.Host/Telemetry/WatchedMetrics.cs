using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace PdEngine.Host;

/// <summary>Sends metrics, watched.</summary>
internal sealed class WatchedMetrics(OtlpExporterOptions options, ExportWatch watch)
    : OtlpMetricExporter(options)
{
    public override ExportResult Export(in Batch<Metric> metrics) =>
        watch.Note(base.Export(metrics));
}
