using System.Text.Json;

namespace PdEngine.Host;

/// <summary>OpenAI's <c>/v1/completions</c>.</summary>
internal static class CompletionRoute
{
    public static async Task AnswerAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        OpenAiAsk ask = CompletionBody.Read(body, call.Model, GenerateRoute.SessionOf(call));
        await new OpenAiAnswer(call, ask, "cmpl", "text_completion").WriteAsync(
            (events, sample, asked, frame, logProbs) =>
                new CompletionStream(events, sample, asked, frame, logProbs),
            (json, index, made, asked, logProbs) => WriteChoice(
                json, index, made.Text, asked, logProbs, made.OutputLogProbs, 0,
                OpenAiFrame.ReasonOf(made))).ConfigureAwait(false);
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
