using System.Diagnostics;
using OpenTelemetry;
using OpenTelemetry.Exporter;

namespace PdEngine.Host;

/// <summary>Sends spans, watched.</summary>
internal sealed class WatchedSpans(OtlpExporterOptions options, ExportWatch watch)
    : OtlpTraceExporter(options)
{
    public override ExportResult Export(in Batch<Activity> activityBatch) =>
        watch.Note(base.Export(activityBatch));
}
