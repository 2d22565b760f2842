using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench foreign</c> and writes them as JSON.</summary>
internal static class ForeignReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<ForeignRow> rows)
    {
        Table table = BenchReport.TableOf(
            title, "row", "tokens/s alone", "beside", "left", "fair share", "ms alone", "beside ", "worst",
            "limits alone", "beside  ");
        foreach (ForeignRow row in rows)
        {
            table.AddRow(
                row.Alone.Name, $"{row.Alone.TokensPerSecond:F1}", $"{row.SharedTokensPerSecond:F1}",
                $"{row.ShareLeft * 100:F0}%", $"{row.FairShare * 100:F0}%", $"{row.Alone.Seconds * 1e3:F2}",
                $"{row.SharedSeconds * 1e3:F2}", $"{row.WorstSeconds * 1e3:F2}",
                BenchReport.LimitsOf(row.Alone.Limits), BenchReport.LimitsOf(row.SharedLimits));
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<ForeignRow> rows) =>
        BenchReport.WriteJson(target, rows, (json, row) =>
        {
            BenchReport.WriteFields(json, row.Alone);
            json.WriteNumber("shared_tokens_per_second", row.SharedTokensPerSecond);
            json.WriteNumber("share_left", row.ShareLeft);
            json.WriteNumber("fair_share", row.FairShare);
            json.WriteNumber("worst_seconds", row.WorstSeconds);
            json.WriteNumber("shared_limit_flops_per_second", row.SharedLimits.FlopsPerSecond);
            json.WriteNumber("shared_limit_bytes_per_second", row.SharedLimits.BytesPerSecond);
        });
}
