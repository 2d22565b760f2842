using Spectre.Console;

namespace PdEngine.Bench;

/// <summary>Prints the rows of <c>bench rollout</c> and writes them in the fields of all
/// benchmarks.</summary>
internal static class RolloutReport
{
    public static void Print(IAnsiConsole console, string title, IReadOnlyList<RolloutRow> rows)
    {
        Table table = BenchReport.TableOf(
            title, "samples a prompt", "prompts", "samples", "prompt tokens", "prefill tokens", "cached",
            "output tokens", "seconds", "tokens/s", "ratio", "first token s", "GFLOP/s", "limits",
            "share of FLOP/s");
        foreach (RolloutRow row in rows)
        {
            table.AddRow(
                $"{row.SamplesPerPrompt}", $"{row.Prompts}", $"{row.Batch}", $"{row.Context}",
                $"{row.PrefillTokens}", $"{row.CachedTokens}", $"{row.Tokens}", $"{row.Seconds:F2}",
                $"{row.TokensPerSecond:F1}", $"{row.Ratio:F2}x", $"{row.FirstTokenSeconds:F2}",
                $"{row.FlopsPerSecond / 1e9:F1}", BenchReport.LimitsOf(row.Limits),
                $"{row.ShareOfLimit * 100:F0}%");
        }
        console.Write(table);
    }

    public static void WriteJson(Stream target, IReadOnlyList<RolloutRow> rows) =>
        BenchReport.WriteRows(target, rows, (json, row) =>
        {
            json.WriteNumber("prompts", row.Prompts);
            json.WriteNumber("samples_per_prompt", row.SamplesPerPrompt);
            json.WriteNumber("prefill_tokens", row.PrefillTokens);
            json.WriteNumber("cached_tokens", row.CachedTokens);
            json.WriteNumber("seconds", row.Seconds);
            json.WriteNumber("first_token_seconds", row.FirstTokenSeconds);
            json.WriteNumber("ratio", row.Ratio);
        });
}
