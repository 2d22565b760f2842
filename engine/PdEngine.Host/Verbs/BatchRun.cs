using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Spectre.Console;

namespace PdEngine.Host;

/// <summary>
/// The offline batch: one request a line in, one answer a line out, in input order. A bad line is that line's
/// error entry; the others are served.
/// </summary>
internal sealed class BatchRun(Engine engine, ulong seed)
{
    /// <summary>Lines under way at once: enough to fill every step, few enough to bound memory.</summary>
    private const int WindowLines = 512;

    private const int MaxLineBytes = 64 << 20;
    private int _errorCount;

    /// <summary>Refuses files that cannot be opened, before any weight is loaded.</summary>
    public static void CheckFiles(string input, string? output)
    {
        if (input != "-" && !File.Exists(input))
            throw new OptionsException("--input", $"'{input}' is not a file");
        if (output is null or "-")
            return;
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        if (!Directory.Exists(folder))
            throw new OptionsException("--output", $"the folder '{folder}' is not there");
        if (input != "-" && Path.GetFullPath(input) == Path.GetFullPath(output))
            throw new OptionsException("--output", "it is the input file");
        if (Directory.Exists(output))
            throw new OptionsException("--output", $"'{output}' is a folder");
    }

    public async Task<int> RunAsync(string input, string? output, CancellationToken cancellation)
    {
        using Stream source = input == "-" ? Console.OpenStandardInput() : File.OpenRead(input);
        using Stream target = output is null or "-" ? Console.OpenStandardOutput() : File.Create(output);
        if (Console.IsErrorRedirected)
        {
            await AnswerAllAsync(source, target, _ => { }, cancellation).ConfigureAwait(false);
        }
        else
        {
            IAnsiConsole terminal = AnsiConsole.Create(
                new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
            await terminal.Progress().StartAsync(async progress =>
            {
                ProgressTask bar = progress.AddTask("answers", maxValue: Math.Max(1, Length(source)));
                await AnswerAllAsync(source, target, read => bar.Value = read, cancellation).ConfigureAwait(false);
                bar.Value = bar.MaxValue;
            }).ConfigureAwait(false);
        }
        EngineMetrics metrics = engine.Metrics;
        Console.Error.WriteLine($"{metrics.OutputTokens} tokens generated, {metrics.PrefillTokens} prompt tokens "
            + $"computed, {metrics.CachedTokens} from the prefix cache, {_errorCount} lines failed");
        return _errorCount == 0 ? CommandLine.Done : CommandLine.Failed;
    }

    private static long Length(Stream source) => source.CanSeek ? source.Length : 1;

    private async Task AnswerAllAsync(
        Stream source, Stream target, Action<long> progress, CancellationToken cancellation)
    {
        Channel<(Task<byte[]> Answer, long ReadBytes)> inOrder =
            Channel.CreateBounded<(Task<byte[]>, long)>(WindowLines);
        Task writing = Task.Run(
            async () =>
            {
                await foreach ((Task<byte[]> answer, long readBytes) in inOrder.Reader.ReadAllAsync(cancellation))
                {
                    await target.WriteAsync(await answer.ConfigureAwait(false), cancellation).ConfigureAwait(false);
                    await target.FlushAsync(cancellation).ConfigureAwait(false);
                    progress(readBytes);
                }
            },
            cancellation);
        try
        {
            long lineNumber = 0, readBytes = 0;
            using StreamReader reader = new(source, new UTF8Encoding(false));
            while (await reader.ReadLineAsync(cancellation).ConfigureAwait(false) is { } line)
            {
                lineNumber++;
                readBytes += line.Length + 1;
                if (string.IsNullOrWhiteSpace(line))
                    continue;
                long number = lineNumber;
                Task<byte[]> answer = AnswerAsync(line, number, cancellation);
                await inOrder.Writer.WriteAsync((answer, readBytes), cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            inOrder.Writer.Complete();
        }
        await writing.ConfigureAwait(false);
    }

    private async Task<byte[]> AnswerAsync(string line, long lineNumber, CancellationToken cancellation)
    {
        JsonElement id = default;
        try
        {
            if (line.Length > MaxLineBytes)
                throw new RequestException("body", $"the line has over {MaxLineBytes >> 20} Mi characters");
            using JsonDocument document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("id", out JsonElement given))
            {
                id = given.Clone();
            }
            GenerateBody body = GenerateBody.Read(document.RootElement);
            Task<Generation>[] samples = Submit(body, lineNumber, cancellation);
            Generation[] generations = await Task.WhenAll(samples).ConfigureAwait(false);
            return Write(json => WriteAnswers(json, id, body, lineNumber, generations));
        }
        catch (JsonException error)
        {
            return Refuse(id, "invalid_json", $"line {lineNumber}: {error.Message}");
        }
        catch (Exception error) when (error is PdEngineException)
        {
            string type = error is CapacityException ? "capacity" : "invalid_request";
            return Refuse(id, type, $"line {lineNumber}: {error.Message}");
        }
    }

    /// <summary>
    /// Submits every sample of a line; each has a seed of its own that arrival order does not change.
    /// </summary>
    private Task<Generation>[] Submit(GenerateBody body, long lineNumber, CancellationToken cancellation)
    {
        Task<Generation>[] samples = new Task<Generation>[body.SampleCount];
        SamplingParams sampling = body.Request.Sampling;
        for (int i = 0; i < samples.Length; i++)
        {
            ulong sampleSeed = sampling.SamplingSeed is { } given
                ? unchecked(given + (ulong)i)
                : SeedHash.Of(seed, (ulong)lineNumber, (ulong)i);
            samples[i] = engine.GenerateAsync(
                body.Request with { Sampling = sampling with { SamplingSeed = sampleSeed } }, cancellation);
        }
        return samples;
    }

    private void WriteAnswers(
        Utf8JsonWriter json, JsonElement id, GenerateBody body, long lineNumber, Generation[] generations)
    {
        AnswerWriter writer = new(engine.Tokenizer);
        if (body.SampleCount > 1)
            json.WriteStartArray();
        for (int i = 0; i < generations.Length; i++)
        {
            string name = body.RequestName ?? $"line-{lineNumber}";
            if (body.SampleCount > 1)
                name = $"{name}-{i}";
            if (generations[i].Error is { } error)
            {
                Interlocked.Increment(ref _errorCount);
                AnswerWriter.WriteError(json, id, "failed", error.Message);
                continue;
            }
            writer.Write(json, id, name, generations[i], body.Request.ReturnLogProb, body.Request.TopLogProbsNum,
                body.ReturnText);
        }
        if (body.SampleCount > 1)
            json.WriteEndArray();
    }

    private byte[] Refuse(JsonElement id, string type, string message)
    {
        Interlocked.Increment(ref _errorCount);
        return Write(json => AnswerWriter.WriteError(json, id, type, message));
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line, GenerateVerb.JsonStyle))
            write(json);
        line.WriteByte((byte)'\n');
        return line.ToArray();
    }
}
