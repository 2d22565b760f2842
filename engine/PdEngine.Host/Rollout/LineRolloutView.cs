using Spectre.Console;

namespace PdEngine.Host;

/// <summary>Without a terminal: a line for each task whose samples have ended.</summary>
internal sealed class LineRolloutView(IAnsiConsole console) : IRolloutView
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(20);

    public async Task ShowAsync(RolloutRun run, Task ending)
    {
        int followed = 0, shown = 0;
        bool hasEnded;
        do
        {
            await Task.WhenAny(ending, Task.Delay(Period)).ConfigureAwait(false);
            hasEnded = ending.IsCompleted;
            foreach (Generation turn in run.Tally.FollowedFrom(followed))
                console.WriteLine(Line(++followed, turn));
            foreach (RolloutGroup group in run.EndedFrom(shown))
            {
                console.WriteLine(Line(run, group));
                shown++;
            }
        }
        while (!hasEnded);
    }

    private static string Line(int number, Generation turn)
    {
        RolloutMoves moves = RolloutMoves.Of(turn);
        string passing = moves.Handoffs == 0 ? $"stays on {moves.Way}"
            : $"{moves.HandoffBlocks} block{(moves.HandoffBlocks == 1 ? "" : "s")} {moves.Way} in "
                + $"{moves.HandoffNs / 1e6:F3} ms";
        return $"sample 0.0 turn {number}: prompt of {moves.PromptTokens} tokens, {moves.CachedTokens} "
            + $"cached; {passing}; {moves.DrawnTokens} tokens: {turn.Text}";
    }

    private static string Line(RolloutRun run, RolloutGroup group)
    {
        RolloutMoves moves = run.Tally.Sum(group.Samples);
        int done = group.Samples.Count(RolloutGames.Succeeded);
        string reward = $"reward {group.Samples.Average(sample => sample.Reward ?? 0):F2}";
        string passing = moves.Handoffs == 0 ? $"no hand-off on {moves.Way}"
            : $"{moves.Handoffs} hand-offs of {moves.HandoffBlocks} blocks {moves.Way}";
        return $"task {group.Id}: {done} of {group.Samples.Count} done, {reward}, {moves.Turns} turns; "
            + $"{passing}; {moves.CachedPercent:F0}% of {moves.PromptTokens} prompt tokens cached; "
            + $"{moves.DrawnTokens} tokens";
    }
}
