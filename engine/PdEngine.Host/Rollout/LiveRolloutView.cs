using Spectre.Console;
using Spectre.Console.Rendering;

namespace PdEngine.Host;

/// <summary>On a terminal: what the workers are doing, and the turns that ended last.</summary>
internal sealed class LiveRolloutView(IAnsiConsole console) : IRolloutView
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(80);

    public Task ShowAsync(RolloutRun run, Task ending) =>
        console.Live(Frame(run)).StartAsync(async live =>
        {
            bool hasEnded;
            do
            {
                await Task.WhenAny(ending, Task.Delay(Period)).ConfigureAwait(false);
                hasEnded = ending.IsCompleted;
                live.UpdateTarget(Frame(run));
            }
            while (!hasEnded);
        });

    /// <summary>The moment as tables.</summary>
    public static Rows Frame(RolloutRun run) => new(Workers(run), Turns(run), Progress(run));

    private static Table Workers(RolloutRun run)
    {
        Table table = new() { Border = TableBorder.Rounded };
        table.AddColumns("worker", "waiting", "prefilling", "decoding", "KV blocks", "computed", "made",
            "steps");
        foreach (WorkerStatus worker in run.Model.Workers)
        {
            table.AddRow(Markup.Escape(worker.Name), $"{worker.Queued + worker.Arrived}",
                $"{worker.Prefilling}", $"{worker.Decoding}", $"{worker.ChargedBlocks}",
                $"{worker.PrefillTokens}", $"{worker.OutputTokens}", $"{worker.Steps}");
        }
        return table;
    }

    private static Table Turns(RolloutRun run)
    {
        Table table = new() { Border = TableBorder.Rounded };
        table.AddColumns("sample", "turn");
        table.AddColumn("way", column => column.NoWrap());
        table.AddColumns("cached+new", "blocks", "ms", "answer");
        foreach ((RolloutSample sample, int turn, Generation made) in run.Tally.Recent())
        {
            RolloutMoves moves = RolloutMoves.Of(made);
            bool isLocal = made.PdPath is PdPath.Local;
            table.AddRow($"{sample.RolloutId}.{sample.Index}", $"{turn}", Markup.Escape(moves.Way),
                $"{made.CachedTokens}+{made.PromptIds.Length - made.CachedTokens}",
                isLocal ? "-" : $"{made.HandoffBlocks}", isLocal ? "-" : $"{moves.HandoffNs / 1e6:F3}",
                Markup.Escape(made.Text));
        }
        return table;
    }

    private static Text Progress(RolloutRun run)
    {
        RolloutMoves sum = run.Tally.Sum();
        int done = run.EndedFrom(0).Length * run.GroupSize;
        return new Text($"{done} of {run.SampleCount} samples in {run.Seconds:F1} s, {sum.Handoffs} "
            + $"hand-offs, {sum.CachedPercent:F0}% of prompt tokens cached, "
            + $"{sum.DrawnTokens / Math.Max(run.Seconds, 1e-3):F0} tokens/s");
    }
}
