using System.Globalization;
using System.Text;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>The results of a rollout, for people.</summary>
internal static class RolloutResults
{
    public static void Print(IAnsiConsole console, RolloutOutcome outcome, Tokenizer tokenizer)
    {
        RolloutMoves sum = outcome.Tally.Sum();
        Table table = new() { Border = TableBorder.Rounded };
        table.AddColumns("result", outcome.Environment);
        table.AddRow("samples", Statuses(outcome));
        table.AddRow("success", $"{outcome.SuccessRate * 100:F1}%, mean reward {outcome.RewardMean:F3}, "
            + $"mean turns {outcome.TurnsMean:F2}");
        table.AddRow("tokens", $"{sum.DrawnTokens} drawn in {sum.Turns} turns and {outcome.Seconds:F2} s: "
            + $"{sum.DrawnTokens / Math.Max(outcome.Seconds, 1e-3):F0} tokens/s");
        table.AddRow("first token", $"{outcome.Tally.FirstTokenMs()}");
        table.AddRow("hand-offs", Handoffs(sum));
        if (sum.Handoffs > 0)
            table.AddRow("hand-off time", $"{outcome.Tally.HandoffMs()}");
        table.AddRow("prefix cache", $"{sum.CachedTokens} of {sum.PromptTokens} prompt tokens "
            + $"({sum.CachedPercent:F1}%)");
        table.AddRow("score", outcome.ScoreDifference is { } difference
            ? $"maximum |score - rollout| = {difference.ToString("G9", CultureInfo.InvariantCulture)} over "
                + $"{outcome.ScoredTokens} drawn tokens"
            : "not compared");
        console.Write(table);
        foreach (RolloutSample sample in Shown(outcome))
            console.WriteLine(Transcript(sample, tokenizer));
    }

    /// <summary>An episode as a dialogue in one line.</summary>
    public static string Transcript(RolloutSample sample, Tokenizer tokenizer)
    {
        string end = sample.Reward is null ? sample.Status.ToString().ToLowerInvariant()
            : RolloutGames.Succeeded(sample) ? "done" : "not done";
        StringBuilder text = new($"sample {sample.RolloutId}.{sample.Index}, {end} in {sample.Turns.Count} "
            + $"turn{(sample.Turns.Count == 1 ? "" : "s")}, reward {sample.Reward ?? 0:F2}: ");
        int[] tokens = [.. sample.Tokens];
        int at = 0;
        foreach (Range turn in sample.Turns)
        {
            string given = tokenizer.Decode(tokens.AsSpan(at..turn.Start.Value), true).Trim();
            string answer = tokenizer.Decode(tokens.AsSpan(turn), true).Trim();
            text.Append(CultureInfo.InvariantCulture, $"{(at == 0 ? "" : ", ")}{given} -> {answer}");
            at = turn.End.Value;
        }
        return text.ToString();
    }

    private static string Handoffs(RolloutMoves sum)
    {
        if (sum.Handoffs == 0)
            return $"none; all on {sum.Way}";
        string bytes = sum.TransferBytes == 0 ? "no byte copied" : $"{sum.TransferBytes} bytes copied";
        return $"{sum.Handoffs} of {sum.Turns} turns, {sum.Way}: {sum.HandoffBlocks} blocks, {bytes}";
    }

    private static string Statuses(RolloutOutcome outcome)
    {
        IEnumerable<string> counts = outcome.Samples.GroupBy(sample => sample.Status)
            .OrderBy(same => same.Key)
            .Select(same => $"{same.Count()} {same.Key.ToString().ToLowerInvariant()}");
        return $"{outcome.Samples.Count}: {string.Join(", ", counts)}";
    }

    /// <summary>One that was done and one that was not, the longest of each.</summary>
    private static IEnumerable<RolloutSample> Shown(RolloutOutcome outcome) => outcome.Ended
        .GroupBy(RolloutGames.Succeeded)
        .OrderByDescending(same => same.Key)
        .Select(same => same.MaxBy(sample => sample.Turns.Count)!);
}
