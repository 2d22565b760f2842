using System.Text.Json;

namespace PdEngine.Host;

/// <summary>SGLang's <c>/generate</c>: one prompt or many, whole or streamed.</summary>
internal static class GenerateRoute
{
    private const int MaxKeyLetters = 1024;

    public static async Task AnswerAsync(HttpCall call)
    {
        JsonElement body = await call.ReadObjectAsync().ConfigureAwait(false);
        bool streams = Fields.Boolean(body, "stream") ?? false;
        bool sendsDeltas = Fields.Boolean(body, "incremental_streaming_output") ?? false;
        (IReadOnlyList<GenerateBody> bodies, bool isList) = GenerateBatch.Read(body, SessionOf(call));
        using SampleSet samples = new(call, bodies, isList);
        if (streams)
            await StreamAsync(call, samples, sendsDeltas).ConfigureAwait(false);
        else
            await WholeAsync(call, samples, isList).ConfigureAwait(false);
    }

    /// <summary>The session that a gateway names in its own header; null where it names none.</summary>
    public static string? SessionOf(HttpCall call)
    {
        string? session = call.Context.Request.Headers["X-SMG-Routing-Key"];
        return session is null or { Length: >= 1 and <= MaxKeyLetters } ? session : throw HttpRefusal.Bad(
            "X-SMG-Routing-Key", $"it has 1 to {MaxKeyLetters} letters, not {session.Length}");
    }

    /// <summary>A sample of many that failed is aborted, with the reason; the others are not lost.</summary>
    /// <exception cref="HttpRefusal">All have failed.</exception>
    private static async Task WholeAsync(HttpCall call, SampleSet samples, bool isList)
    {
        Generation[] generations = await samples.FinishAsync().ConfigureAwait(false);
        if (generations.All(Failed))
            throw Failure(generations[0]);
        generations = [.. generations.Select(generation => Failed(generation)
            ? generation with { FinishReason = FinishReason.Abort }
            : generation)];
        AnswerWriter writer = new(call.Model.Tokenizer);
        await call.WriteAsync(json =>
        {
            if (isList)
                json.WriteStartArray();
            for (int i = 0; i < generations.Length; i++)
            {
                Sample sample = samples.All[i];
                writer.Write(json, sample.Body.Id, sample.Name, generations[i], sample.Body.Request,
                    sample.Body.ReturnText);
            }
            if (isList)
                json.WriteEndArray();
        }).ConfigureAwait(false);
    }

    private static async Task StreamAsync(HttpCall call, SampleSet samples, bool sendsDeltas)
    {
        using EventStream events = new(call);
        AnswerWriter writer = new(call.Model.Tokenizer);
        await StreamEach.RunAsync(samples, async sample =>
        {
            using PaceTurn turn = call.Server.Pace.Join(sample.Stream.Completion);
            StreamedAnswer answer = new(sample, writer, sendsDeltas);
            await foreach (TokenChunk chunk in sample.Stream.ConfigureAwait(false))
            {
                answer.Add(chunk);
                // What is left goes with the reason for the end.
                if (sample.Stream.Completion.IsCompleted)
                    continue;
                await events.SendAsync(answer.Write).ConfigureAwait(false);
                await turn.NextAsync().ConfigureAwait(false);
            }
            Generation generation = await sample.Stream.Completion.ConfigureAwait(false);
            await events.SendAsync(json =>
            {
                if (Failed(generation))
                    ErrorWriter.Write(json, Failure(generation));
                else
                    answer.WriteEnd(json, generation);
            }).ConfigureAwait(false);
        }).ConfigureAwait(false);
        await events.EndAsync().ConfigureAwait(false);
    }

    public static bool Failed(Generation generation) => generation.FinishReason == FinishReason.Error;

    public static HttpRefusal Failure(Generation generation) => HttpRefusal.Of(generation.Error!)
        ?? new HttpRefusal(500, "server_error", "the generation failed");
}
