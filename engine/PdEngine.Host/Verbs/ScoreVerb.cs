using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// <c>pdengine score</c>: the log-prob of every token of a text, given the tokens before it; of a reward
/// model its reward.
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
        Verb command = new("score", "Prints the log-prob of every token of a text, or a text's reward.")
        {
            Details = "The text is taken as it is, not as a chat. A reward model gives its reward instead.",
            Examples =
            [
                "pdengine score --model Qwen3-0.6B/ \"The capital of France is Paris.\"",
                "pdengine score --input-ids 1,2,3 --json",
            ],
        };
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
        SamplingFlags.CheckTemperature(parsed, _temperature);
        GenerateRequest asked = await _prompt.ReadAsync(parsed, cancellation).ConfigureAwait(false);
        (Engine engine, ServedPlan? plan) =
            await _engine.StartAsync(parsed, asked, cancellation).ConfigureAwait(false);
        await using ConfiguredAsyncDisposable disposal = engine.ConfigureAwait(false);
        GenerateRequest request = asked with
        {
            Sampling = new SamplingParams { MaxNewTokens = 0, Temperature = parsed.GetValue(_temperature) },
            ReturnLogProb = !engine.Models[0].IsReward,
            LogProbStartLen = 0,
        };
        Generation generation = await engine.GenerateAsync(request, cancellation).ConfigureAwait(false);
        if (generation.Error is { } error)
            throw error;
        Print(engine.Tokenizer, generation, parsed.GetValue(_json));
        if (plan is not null)
            Console.Error.WriteLine(RouteText.Of(generation));
        return CommandLine.Done;
    }

    private static void Print(Tokenizer? tokenizer, Generation generation, bool asJson)
    {
        if (generation.Reward is { } reward)
        {
            PrintReward(generation.PromptIds.Length, reward, asJson);
            return;
        }
        double total = generation.InputLogProbs.Sum(entry => (double)(entry.LogProb ?? 0));
        int scored = generation.InputLogProbs.Count - 1;
        if (asJson)
            PrintJson(tokenizer, generation, total, scored);
        else
            PrintTable(tokenizer, generation);
        if (scored > 0)
        {
            Console.Error.WriteLine($"{scored} tokens scored, mean log-prob {total / scored:F4}, "
                + $"perplexity {Math.Exp(-total / scored):F3}");
        }
    }

    private static void PrintReward(int tokens, float reward, bool asJson)
    {
        if (!asJson)
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"reward {reward:F6}"));
            return;
        }
        AnswerWriter.Print(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("tokens", tokens);
            if (float.IsFinite(reward))
                json.WriteNumber("reward", reward);
            else
                json.WriteNull("reward");
            json.WriteEndObject();
        });
    }

    private static void PrintTable(Tokenizer? tokenizer, Generation generation)
    {
        foreach (TokenLogProb entry in generation.InputLogProbs)
        {
            string logProb = entry.LogProb is { } value ? $"{value,10:F5}" : "          ";
            string text = tokenizer is null ? "" : JsonEncodedText.Encode(
                tokenizer.TokenText(entry.TokenId), AnswerWriter.Style.Encoder).ToString();
            Console.Out.WriteLine($"{entry.TokenId,8} {logProb}  {text}".TrimEnd());
        }
    }

    private static void PrintJson(Tokenizer? tokenizer, Generation generation, double total, int scored) =>
        AnswerWriter.Print(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("tokens", generation.PromptIds.Length);
            WriteFinite(json, "logprob_sum", total);
            if (scored > 0)
                WriteFinite(json, "perplexity", Math.Exp(-total / scored));
            new AnswerWriter(tokenizer).WriteLogProbs(
                json, "input_token_logprobs", generation.InputLogProbs, returnText: true);
            json.WriteEndObject();
        });

    /// <summary>JSON has no infinity, which is what the perplexity of the impossible is.</summary>
    private static void WriteFinite(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
            json.WriteNumber(name, value);
        else
            json.WriteNull(name);
    }
}
