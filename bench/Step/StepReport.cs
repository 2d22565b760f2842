using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench step</c> and writes them in the fields of all benchmarks.</summary>
internal static class StepReport
{
    public static void Print(IAnsiConsole console, IReadOnlyList<StepRow> rows)
    {
        Table table = BenchReport.TableOf(
            $"C# work of a decode step; target {StepRow.TargetMicroseconds:F0} us at batch "
            + $"{StepRow.TargetBatch}, 0 bytes",
            "batch", "context", "requests", "us a step (median)", "mean", "p99", "us a sequence",
            "bytes a step", "target");
        foreach (StepRow row in rows)
        {
            table.AddRow(
                $"{row.Batch}", $"{row.Context}", StepVariants.NameOf(row.Variant),
                $"{row.MicrosecondsPerStep:F1}", $"{row.MeanMicroseconds:F1}", $"{row.P99Microseconds:F1}",
                $"{row.MeanMicroseconds / row.Batch:F2}", $"{row.BytesPerStep:F1}",
                row.IsMet switch { true => "met", false => "missed", null => "" });
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<StepRow> rows) =>
        BenchReport.WriteJson(target, rows, (json, row) =>
        {
            json.WriteString("phase", "decode");
            json.WriteString("dtype", "");
            json.WriteString("isa", "");
            json.WriteNumber("threads", 1);
            json.WriteNumber("batch", row.Batch);
            json.WriteNumber("tokens", row.Batch);
            json.WriteNumber("context", row.Context);
            json.WriteNumber("tokens_per_second", row.Batch / row.MeanMicroseconds * 1e6);
            foreach (string none in (string[])
                ["flops_per_second", "bytes_per_second", "limit_flops_per_second", "limit_bytes_per_second"])
            {
                json.WriteNumber(none, 0);
            }
            json.WriteString("bound_by", "");
            json.WriteNumber("share_of_limit", 0);
            json.WriteString("row", StepVariants.NameOf(row.Variant));
            json.WriteNumber("us_per_step", row.MicrosecondsPerStep);
            json.WriteNumber("mean_us_per_step", row.MeanMicroseconds);
            json.WriteNumber("p99_us_per_step", row.P99Microseconds);
            json.WriteNumber("bytes_per_step", row.BytesPerStep);
        });
}
