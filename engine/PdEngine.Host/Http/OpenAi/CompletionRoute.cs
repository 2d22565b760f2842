using System.Text.Json;

namespace PdEngine.Host;

/// <summary>OpenAI's <c>/v1/completions</c>.</summary>
internal static class CompletionRoute
{
    public static async Task AnswerAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        OpenAiAsk ask = CompletionBody.Read(body, call.Model, GenerateRoute.SessionOf(call));
        ask = OpenAiSampling.Named(ask, "cmpl");
        using SampleSet samples = new(call, ask.Bodies, isList: true);
        OpenAiFrame frame = OpenAiFrame.Of(call, ask, samples, "text_completion");
        OpenAiLogProbs logProbs = new(call.Model.Tokenizer);
        if (ask.Streams)
        {
            await OpenAiStream.RunAsync(call, ask, samples, frame, (events, sample) =>
                new CompletionStream(events, sample, ask, frame, logProbs)).ConfigureAwait(false);
            return;
        }
        Generation[] generations = await samples.FinishAsync().ConfigureAwait(false);
        if (generations.FirstOrDefault(GenerateRoute.Failed) is { } failed)
            throw GenerateRoute.Failure(failed);
        await call.WriteAsync(json => frame.Write(json, generations, () =>
        {
            for (int i = 0; i < generations.Length; i++)
            {
                Generation made = generations[i];
                WriteChoice(json, i, made.Text, ask, logProbs, made.OutputLogProbs, 0,
                    OpenAiFrame.ReasonOf(made));
            }
        })).ConfigureAwait(false);
    }

    public static void WriteChoice(
        Utf8JsonWriter json, int index, string text, OpenAiAsk ask, OpenAiLogProbs logProbs,
        IReadOnlyList<TokenLogProb> entries, int offset, string? reason)
    {
        json.WriteStartObject();
        json.WriteNumber("index", index);
        json.WriteString("text", text);
        if (ask.TopCount is { } top)
            logProbs.WriteCompletion(json, entries, top > 0, offset);
        else
            json.WriteNull("logprobs");
        json.WriteString("finish_reason", reason);
        json.WriteEndObject();
    }
}
