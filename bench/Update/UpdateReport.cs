using System.Text.Json;
using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench update</c> and writes them in the fields of all
/// benchmarks.</summary>
internal static class UpdateReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<UpdateRow> rows)
    {
        Table table = BenchReport.TableOf(
            title, "update", "MB", "prepare ms", "stop ms", "GB/s", "copy limit", "share of limit",
            "flow left", "step ms", "stop, steps", "gap ms", "gap, steps",
            $"gap under {UpdateRow.TargetSteps:F0} steps");
        foreach (UpdateRow row in rows)
        {
            bool flows = row.StepSeconds > 0;
            table.AddRow(
                row.Name, $"{row.Bytes / 1e6:F0}", $"{row.PrepareSeconds * 1e3:F1}",
                $"{row.StopSeconds * 1e3:F2}", $"{row.BytesPerSecond / 1e9:F2}",
                $"{row.Limits.BytesPerSecond / 1e9:F1} GB/s", $"{row.ShareOfLimit * 100:F0}%",
                flows && row.Arm.Stages ? $"{row.FlowLeft * 100:F0}%" : "",
                flows ? $"{row.StepSeconds * 1e3:F2}" : "", $"{row.StopSteps:F2}",
                flows ? $"{row.GapSeconds * 1e3:F1}" : "", $"{row.GapSteps:F2}", row.Verdict);
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<UpdateRow> rows) =>
        BenchReport.WriteRows(target, rows, (json, row) =>
        {
            json.WriteNumber("weight_bytes", row.Bytes);
            json.WriteNumber("prepare_seconds", row.PrepareSeconds);
            json.WriteNumber("stop_seconds", row.StopSeconds);
            json.WriteNumber("step_seconds", row.StepSeconds);
            WriteSteps(json, "stop_steps", row.StopSteps);
            json.WriteNumber("gap_seconds", row.GapSeconds);
            WriteSteps(json, "gap_steps", row.GapSteps);
            json.WriteNumber("flow_left", row.FlowLeft);
        });

    /// <summary>0 would be the best of all figures: what is not known is null.</summary>
    private static void WriteSteps(Utf8JsonWriter json, string field, double? steps)
    {
        if (steps is { } known)
            json.WriteNumber(field, known);
        else
            json.WriteNull(field);
    }
}
