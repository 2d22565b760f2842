using System.Diagnostics;
using System.Threading.Channels;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// The offline batch: one request a line in, one answer a line out, in input order. A bad line is that line's
/// error entry; the others are served.
/// </summary>
internal sealed class BatchRun(Engine engine, ulong seed, ServedPlan? plan)
{
    /// <summary>Lines under way at once: enough to fill every step, few enough to bound memory.</summary>
    private const int WindowLines = 512;

    private readonly RouteTally _routes = new();
    private readonly Stopwatch _sinceStart = Stopwatch.StartNew();
    private int _lineCount;
    private int _errorCount;

    public async Task<int> RunAsync(string input, string? output, CancellationToken cancellation)
    {
        using Stream source = BatchFiles.OpenInput(input);
        using Stream target = BatchFiles.OpenOutput(output);
        try
        {
            if (Console.IsErrorRedirected)
                await AnswerAllAsync(source, target, _ => { }, cancellation).ConfigureAwait(false);
            else
                await AnswerAllWithBarAsync(source, target, cancellation).ConfigureAwait(false);
        }
        finally
        {
            Console.Error.WriteLine(Summary());
            if (plan is not null)
                PrintRoutes();
        }
        return _errorCount == 0 ? CommandLine.Done : CommandLine.Failed;
    }

    private async Task AnswerAllWithBarAsync(Stream source, Stream target, CancellationToken cancellation)
    {
        IAnsiConsole terminal = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        await terminal.Progress().StartAsync(async progress =>
        {
            bool isSized = source.CanSeek;
            ProgressTask bar =
                progress.AddTask("answers", maxValue: isSized ? Math.Max(1, source.Length) : 1);
            bar.IsIndeterminate = !isSized;
            await AnswerAllAsync(
                source, target, taken => bar.Value = isSized ? taken : 0, cancellation).ConfigureAwait(false);
            bar.Value = bar.MaxValue;
        }).ConfigureAwait(false);
    }

    /// <summary>Reading and writing end together, whichever of them fails.</summary>
    private async Task AnswerAllAsync(
        Stream source, Stream target, Action<long> progress, CancellationToken cancellation)
    {
        using CancellationTokenSource either =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Channel<Pending> inOrder = Channel.CreateBounded<Pending>(WindowLines);
        BatchDoor door = new(engine, plan?.Concurrency ?? int.MaxValue);
        Task reading = CancelOnFailureAsync(
            ReadAllAsync(source, door, inOrder.Writer, either.Token), either);
        Task writing = CancelOnFailureAsync(
            WriteAllAsync(target, inOrder.Reader, progress, either.Token), either);
        await Task.WhenAll(reading, writing).ConfigureAwait(false);
    }

    private static async Task CancelOnFailureAsync(Task part, CancellationTokenSource both)
    {
        try
        {
            await part.ConfigureAwait(false);
        }
        catch
        {
            await both.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private async Task ReadAllAsync(
        Stream source, BatchDoor door, ChannelWriter<Pending> inOrder, CancellationToken cancellation)
    {
        LineReader reader = new(source, BatchLine.MaxBytes);
        BatchLine answers = new(door, engine.Tokenizer, seed, _routes);
        long number = 0;
        while (await reader.NextAsync(cancellation).ConfigureAwait(false) is { } line)
        {
            number++;
            if (!line.IsTooLong && IsBlank(line.Bytes.Span))
                continue;
            Pending pending = new(answers.AnswerAsync(line, number, cancellation), reader.TakenBytes);
            await inOrder.WriteAsync(pending, cancellation).ConfigureAwait(false);
        }
        inOrder.Complete();
    }

    private async Task WriteAllAsync(
        Stream target, ChannelReader<Pending> inOrder, Action<long> progress, CancellationToken cancellation)
    {
        await foreach (Pending pending in inOrder.ReadAllAsync(cancellation).ConfigureAwait(false))
        {
            (byte[] json, bool hasError) = await pending.Answer.ConfigureAwait(false);
            await target.WriteAsync(json, cancellation).ConfigureAwait(false);
            await target.FlushAsync(cancellation).ConfigureAwait(false);
            _lineCount++;
            _errorCount += hasError ? 1 : 0;
            progress(pending.TakenBytes);
        }
    }

    private static bool IsBlank(ReadOnlySpan<byte> line) => line.Trim(" \t\r"u8).IsEmpty;

    private void PrintRoutes()
    {
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsErrorRedirected)
            console.Profile.Width = 220;
        _routes.Print(console);
    }

    private string Summary()
    {
        EngineMetrics metrics = engine.Metrics;
        double seconds = Math.Max(_sinceStart.Elapsed.TotalSeconds, 1e-9);
        string text = $"{_lineCount} lines answered, {_errorCount} of them with an error, in {seconds:F1} s; "
            + $"prompts: {metrics.PrefillTokens} tokens computed, {metrics.CachedTokens} from the prefix "
            + $"cache; output: {metrics.OutputTokens} tokens, {metrics.OutputTokens / seconds:F1} tokens/s";
        return metrics.Retractions == 0 ? text : $"{text}; {metrics.Retractions} retractions";
    }

    private readonly record struct Pending(Task<(byte[] Json, bool HasError)> Answer, long TakenBytes);
}
