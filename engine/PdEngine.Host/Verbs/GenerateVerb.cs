using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary><c>pdengine generate</c>: one prompt, streamed; or a file of requests, in order.</summary>
internal sealed class GenerateVerb
{
    private readonly EngineFlags _engine = new();
    private readonly SamplingFlags _sampling = new();
    private readonly PromptFlags _prompt = new();

    private readonly Option<bool> _noChat = new("--no-chat")
    {
        Description = "Continues the prompt as it is, although the checkpoint has a chat template.",
    };

    private readonly Option<string?> _system = new("--system")
    {
        Description = "System message of the chat.", HelpName = "TEXT",
    };

    private readonly Option<string?> _input = new("--input")
    {
        Description = "Offline batch: one JSON request a line, in the shape of SGLang's /generate body.",
        HelpName = "FILE",
    };

    private readonly Option<string?> _output = new("--output")
    {
        Description = "Where the batch's answers go, in input order; absent or -: standard output.",
        HelpName = "FILE",
    };

    private readonly Option<bool> _json = new("--json") { Description = "Prints the whole answer as JSON." };

    private readonly Option<bool> _logProbs = new("--logprobs")
    {
        Description = "With --json: the log-prob of every output token.",
    };

    public static Command Create()
    {
        GenerateVerb verb = new();
        Command command = new("generate", "Generates text for one prompt, or answers for a file of requests.");
        verb._prompt.AddTo(command);
        foreach (Option option in new Option[]
            { verb._noChat, verb._system, verb._input, verb._output, verb._json, verb._logProbs })
        {
            command.Options.Add(option);
        }
        verb._sampling.AddTo(command);
        verb._engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        string? input = parsed.GetValue(_input);
        if (input is not null && _prompt.IsGiven(parsed))
            throw new OptionsException("--input", "a batch brings its own prompts; leave the prompt out");
        if (input is null && parsed.GetValue(_output) is not null)
            throw new OptionsException("--output", "it goes with --input FILE");
        if (input is not null)
        {
            BatchRun.CheckFiles(input, parsed.GetValue(_output));
            await using Engine batchEngine = await StartAsync(parsed, cancellation).ConfigureAwait(false);
            BatchRun run = new(batchEngine, _engine.Seed(parsed));
            return await run.RunAsync(input, parsed.GetValue(_output), cancellation).ConfigureAwait(false);
        }
        GenerateRequest request = _prompt.Read(parsed) with
        {
            Sampling = _sampling.Read(parsed, _engine.Seed(parsed)),
            ReturnLogProb = parsed.GetValue(_logProbs),
        };
        await using Engine engine = await StartAsync(parsed, cancellation).ConfigureAwait(false);
        if (request.Text is { } text && engine.HasChatTemplate && !parsed.GetValue(_noChat))
            request = request with { Text = null, Messages = PromptFlags.ToMessages(text, parsed.GetValue(_system)) };
        else if (parsed.GetValue(_system) is not null)
            throw new OptionsException("--system", "it needs a chat: a text prompt and a checkpoint with a template");
        return parsed.GetValue(_json)
            ? await PrintJsonAsync(engine, request, cancellation).ConfigureAwait(false)
            : await StreamAsync(engine, request, cancellation).ConfigureAwait(false);
    }

    private Task<Engine> StartAsync(ParseResult parsed, CancellationToken cancellation) =>
        Engine.StartAsync(_engine.Read(parsed, new LoadingLine()), cancellation);

    private static async Task<int> StreamAsync(
        Engine engine, GenerateRequest request, CancellationToken cancellation)
    {
        TokenStream stream = engine.Stream(request);
        await foreach (TokenChunk chunk in stream.WithCancellation(cancellation).ConfigureAwait(false))
        {
            Console.Out.Write(engine.Tokenizer is null ? string.Concat(chunk.TokenIds.Select(id => $"{id} ")) : chunk.Text);
            Console.Out.Flush();
        }
        Console.Out.WriteLine();
        Generation generation = await stream.Completion.ConfigureAwait(false);
        Console.Error.WriteLine(Summary(generation));
        return ExitCode(generation);
    }

    private static async Task<int> PrintJsonAsync(
        Engine engine, GenerateRequest request, CancellationToken cancellation)
    {
        Generation generation = await engine.GenerateAsync(request, cancellation).ConfigureAwait(false);
        using (Stream output = Console.OpenStandardOutput())
        {
            using Utf8JsonWriter json = new(output, JsonStyle);
            new AnswerWriter(engine.Tokenizer).Write(
                json, default, generation.Id.ToString(), generation, request.ReturnLogProb, 0, returnText: true);
        }
        Console.Out.WriteLine();
        return ExitCode(generation);
    }

    /// <summary>Text outside ASCII is written as it is.</summary>
    public static JsonWriterOptions JsonStyle { get; } =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static int ExitCode(Generation generation)
    {
        if (generation.Error is null)
            return CommandLine.Done;
        Console.Error.WriteLine($"pdengine: {generation.Error.Message}");
        return CommandLine.Failed;
    }

    private static string Summary(Generation generation)
    {
        int prompt = generation.PromptIds.Length, output = generation.OutputIds.Count;
        string text = $"prompt {prompt} tokens ({generation.CachedTokens} cached)";
        if (generation.TimeToFirstToken is { } first)
        {
            double decode = (generation.EndToEndTime - first).TotalSeconds;
            double prefill = (first - generation.QueueTime).TotalSeconds;
            text += $", first token after {first.TotalMilliseconds:F0} ms"
                + $" ({(prompt - generation.CachedTokens) / Math.Max(prefill, 1e-9):F0} prompt tokens/s)";
            if (output > 1)
                text += $"; {output} tokens at {(output - 1) / Math.Max(decode, 1e-9):F1} tokens/s";
        }
        return $"{text}; ended by {generation.FinishReason.ToString().ToLowerInvariant()}";
    }
}
