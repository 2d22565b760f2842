using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;

namespace PdEngine.Host;

/// <summary>Sends spans, and says when that begins to fail and to succeed again.</summary>
internal sealed class WatchedSpans(OtlpExporterOptions options, Action<bool> changed)
    : OtlpTraceExporter(options)
{
    private bool _works = true;

    public override ExportResult Export(in Batch<Activity> activityBatch)
    {
        ExportResult result = base.Export(activityBatch);
        bool works = result == ExportResult.Success;
        if (works != _works)
            changed(works);
        _works = works;
        return result;
    }
}
