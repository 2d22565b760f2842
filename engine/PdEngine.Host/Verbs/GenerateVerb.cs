using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

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
        Verb command = new("generate", "Generates text for one prompt, or answers for a file of requests.")
        {
            Details = "A batch takes one request a line, in the shape of SGLang's /generate body, and gives "
                + "one answer a line, in input order.",
            Examples =
            [
                "pdengine generate \"What can you do?\"",
                "pdengine generate --model Qwen3-0.6B/ --temperature 0 --json \"The capital of France is\"",
                "pdengine generate --model Qwen3-0.6B/ --input requests.jsonl --output answers.jsonl",
            ],
        };
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
        if (parsed.GetValue(_input) is { } input)
            return await RunBatchAsync(parsed, input, cancellation).ConfigureAwait(false);
        if (parsed.GetValue(_output) is not null)
            throw new OptionsException("--output", "it goes with --input FILE");
        bool printsJson = parsed.GetValue(_json);
        if (parsed.GetValue(_logProbs) && !printsJson)
            throw new OptionsException("--logprobs", "it goes with --json");
        GenerateRequest request = await _prompt.ReadAsync(parsed, cancellation).ConfigureAwait(false);
        request = request with
        {
            Sampling = _sampling.Read(parsed, _engine.Seed(parsed)),
            ReturnLogProb = parsed.GetValue(_logProbs),
        };
        (Engine engine, ServedPlan? plan) =
            await _engine.StartAsync(parsed, request, cancellation).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        string? system = parsed.GetValue(_system);
        if (request.Text is { } text && engine.HasChatTemplate && !parsed.GetValue(_noChat))
            request = request with { Text = null, Messages = PromptFlags.ToMessages(text, system) };
        else if (system is not null)
            throw new OptionsException(
                "--system", "it needs a chat: a text prompt and a checkpoint with a template");
        Generation generation = printsJson
            ? await engine.GenerateAsync(request, cancellation).ConfigureAwait(false)
            : await StreamAsync(engine, request, cancellation).ConfigureAwait(false);
        if (printsJson)
        {
            AnswerWriter.Print(json => new AnswerWriter(engine.Tokenizer).Write(
                json, default, generation.Id.ToString(), generation, request, returnText: true));
        }
        Console.Error.WriteLine(Summary(generation));
        if (plan is not null)
            Console.Error.WriteLine(RouteText.Of(generation));
        if (generation.Error is null)
            return CommandLine.Done;
        Console.Error.WriteLine($"pdengine: {generation.Error.Message}");
        return CommandLine.Failed;
    }

    private async Task<int> RunBatchAsync(ParseResult parsed, string input, CancellationToken cancellation)
    {
        if (_prompt.IsGiven(parsed))
            throw new OptionsException("--input", "a batch brings its own prompts; leave the prompt out");
        string? unused = _sampling.FirstGiven(parsed)
            ?? (parsed.GetValue(_noChat) ? _noChat.Name : null)
            ?? (parsed.GetValue(_system) is null ? null : _system.Name)
            ?? (parsed.GetValue(_logProbs) ? _logProbs.Name : null);
        if (unused is not null)
            throw new OptionsException(unused, "each line of a batch says this for itself; leave it out");
        string? output = parsed.GetValue(_output);
        BatchFiles.Check(input, output);
        (Engine engine, ServedPlan? plan) =
            await _engine.StartAsync(parsed, cancellation).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        return await new BatchRun(engine, _engine.Seed(parsed), plan).RunAsync(input, output, cancellation)
            .ConfigureAwait(false);
    }

    /// <summary>Prints text as it comes; token ids where the checkpoint has no tokenizer.</summary>
    private static async Task<Generation> StreamAsync(
        Engine engine, GenerateRequest request, CancellationToken cancellation)
    {
        TokenStream stream = engine.Stream(request);
        string separator = "";
        await foreach (TokenChunk chunk in stream.WithCancellation(cancellation).ConfigureAwait(false))
        {
            if (engine.Tokenizer is not null)
            {
                Console.Out.Write(chunk.Text);
            }
            else
            {
                Console.Out.Write(separator + string.Join(' ', chunk.TokenIds));
                separator = " ";
            }
            Console.Out.Flush();
        }
        Console.Out.WriteLine();
        return await stream.Completion.ConfigureAwait(false);
    }

    private static string Summary(Generation generation)
    {
        int prompt = generation.PromptIds.Length, output = generation.OutputIds.Count;
        StringBuilder text = new($"prompt {prompt} tokens ({generation.CachedTokens} cached)");
        if (generation.TimeToFirstToken is { } first)
        {
            double prefill = Math.Max((first - generation.QueueTime).TotalSeconds, 1e-9);
            double decode = Math.Max((generation.EndToEndTime - first).TotalSeconds, 1e-9);
            text.Append(CultureInfo.InvariantCulture, $", first token after {first.TotalMilliseconds:F0} ms");
            text.Append(
                CultureInfo.InvariantCulture,
                $" ({(prompt - generation.CachedTokens) / prefill:F0} tokens/s)");
            text.Append(CultureInfo.InvariantCulture, $"; output {output} tokens");
            if (output > 1)
                text.Append(CultureInfo.InvariantCulture, $" at {(output - 1) / decode:F1} tokens/s");
        }
        string end = generation.FinishReason switch
        {
            FinishReason.Stop when generation.MatchedStopId is { } id => $"stop id {id}",
            FinishReason.Stop => "stop string",
            FinishReason reason => reason.ToString().ToLowerInvariant(),
        };
        return text.Append(CultureInfo.InvariantCulture, $"; ended by {end}").ToString();
    }
}
