using System.CommandLine;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine score</c>: the log-prob of every token of a text, given the tokens before it.
/// </summary>
internal sealed class ScoreVerb
{
    private readonly EngineFlags _engine = new();
    private readonly PromptFlags _prompt = new();
    private readonly Option<bool> _json = new("--json") { Description = "Prints the log-probs as JSON." };

    private readonly Option<float> _temperature = new("--temperature")
    {
        Description = "Divides the logits; 0 counts as 1.", DefaultValueFactory = _ => 1f, HelpName = "X",
    };

    public static Command Create()
    {
        ScoreVerb verb = new();
        Command command = new("score", "Prints the log-prob of every token of a text or of given ids.");
        verb._prompt.AddTo(command);
        command.Options.Add(verb._json);
        command.Options.Add(verb._temperature);
        verb._engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
            CommandLine.GuardAsync(() => verb.RunAsync(parsed, cancellation)));
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        GenerateRequest asked = _prompt.Read(parsed);
        await using Engine engine = await Engine.StartAsync(
            _engine.Read(parsed, new LoadingLine()), cancellation).ConfigureAwait(false);
        GenerateRequest request = asked with
        {
            Sampling = new SamplingParams { MaxNewTokens = 0, Temperature = parsed.GetValue(_temperature) },
            ReturnLogProb = true,
            LogProbStartLen = 0,
        };
        Generation generation = await engine.GenerateAsync(request, cancellation).ConfigureAwait(false);
        if (generation.Error is { } error)
            throw error;
        double total = generation.InputLogProbs.Sum(entry => (double)(entry.LogProb ?? 0));
        int scored = generation.InputLogProbs.Count - 1;
        if (parsed.GetValue(_json))
            PrintJson(engine.Tokenizer, generation, total, scored);
        else
            PrintTable(engine.Tokenizer, generation);
        if (scored > 0)
        {
            Console.Error.WriteLine($"{scored} tokens scored, mean log-prob {total / scored:F4}, "
                + $"perplexity {Math.Exp(-total / scored):F3}");
        }
        return CommandLine.Done;
    }

    private static void PrintTable(Tokenizer? tokenizer, Generation generation)
    {
        foreach (TokenLogProb entry in generation.InputLogProbs)
        {
            string logProb = entry.LogProb is { } value ? $"{value,10:F5}" : "          ";
            string text = tokenizer is null ? "" : JsonEncodedText.Encode(
                tokenizer.TokenText(entry.TokenId), GenerateVerb.JsonStyle.Encoder).ToString();
            Console.Out.WriteLine($"{entry.TokenId,8} {logProb}  {text}");
        }
    }

    private static void PrintJson(Tokenizer? tokenizer, Generation generation, double total, int scored)
    {
        using (Stream output = Console.OpenStandardOutput())
        {
            using Utf8JsonWriter json = new(output, GenerateVerb.JsonStyle);
            json.WriteStartObject();
            json.WriteNumber("tokens", generation.PromptIds.Length);
            json.WriteNumber("logprob_sum", total);
            if (scored > 0)
                json.WriteNumber("perplexity", Math.Exp(-total / scored));
            json.WriteStartArray("input_token_logprobs");
            foreach (TokenLogProb entry in generation.InputLogProbs)
            {
                json.WriteStartArray();
                if (entry.LogProb is { } value)
                    json.WriteNumberValue(value);
                else
                    json.WriteNullValue();
                json.WriteNumberValue(entry.TokenId);
                json.WriteStringValue(tokenizer?.TokenText(entry.TokenId));
                json.WriteEndArray();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        Console.Out.WriteLine();
    }
}
