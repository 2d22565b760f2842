using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Answers a call in OpenAI's shape, whole or as a stream.</summary>
/// <param name="call">What is answered.</param>
/// <param name="ask">What it asks for.</param>
/// <param name="prefix">Of names that the client did not give.</param>
/// <param name="kind">What the answer says that it is.</param>
internal sealed class OpenAiAnswer(HttpCall call, OpenAiAsk ask, string prefix, string kind)
{
    /// <summary>Opens the stream of a sample.</summary>
    public delegate IChoiceStream Opening(
        EventStream events, Sample sample, OpenAiAsk ask, OpenAiFrame frame, OpenAiLogProbs logProbs);

    /// <summary>Writes a sample that is whole.</summary>
    public delegate void Choice(
        Utf8JsonWriter json, int index, Generation generation, OpenAiAsk ask, OpenAiLogProbs logProbs);

    public async Task WriteAsync(Opening open, Choice write)
    {
        OpenAiAsk named = OpenAiSampling.Named(ask, prefix);
        using SampleSet samples = new(call, named.Bodies, isList: true);
        OpenAiFrame frame = OpenAiFrame.Of(call, named, samples, kind);
        OpenAiLogProbs logProbs = new(call.Model.Tokenizer);
        if (named.Streams)
        {
            await OpenAiStream.RunAsync(call, named, samples, frame,
                (events, sample) => open(events, sample, named, frame, logProbs)).ConfigureAwait(false);
            return;
        }
        Generation[] generations = await samples.FinishAsync().ConfigureAwait(false);
        if (generations.FirstOrDefault(GenerateRoute.Failed) is { } failed)
            throw GenerateRoute.Failure(failed);
        await call.WriteAsync(json => frame.Write(json, generations, () =>
        {
            for (int i = 0; i < generations.Length; i++)
                write(json, i, generations[i], named, logProbs);
        })).ConfigureAwait(false);
    }
}
