using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;

namespace PdEngine.Host;

/// <summary>Sends metrics, and says when that begins to fail and to succeed again.</summary>
internal sealed class WatchedMetrics(OtlpExporterOptions options, Action<bool> changed)
    : OtlpMetricExporter(options)
{
    private bool _works = true;

    public override ExportResult Export(in Batch<Metric> metrics)
    {
        ExportResult result = base.Export(metrics);
        bool works = result == ExportResult.Success;
        if (works != _works)
            changed(works);
        _works = works;
        return result;
    }
}
