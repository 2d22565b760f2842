using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Answers one line of a batch: its answer, or an array of them for several samples, or its error entry.
/// </summary>
/// <param name="door">The way to who answers.</param>
/// <param name="tokenizer">The checkpoint's, or null.</param>
/// <param name="seed">Seed of lines that bring none.</param>
/// <param name="routes">Hears where every sample went.</param>
internal sealed class BatchLine(BatchDoor door, Tokenizer? tokenizer, ulong seed, RouteTally routes)
{
    public const int MaxBytes = 64 << 20;

    /// <param name="line">The request.</param>
    /// <param name="number">Counts from 1.</param>
    /// <param name="cancellation">Aborts it.</param>
    /// <returns>A line of JSON with its end, and whether it tells of an error.</returns>
    public async Task<(byte[] Json, bool HasError)> AnswerAsync(
        LineReader.Line line, long number, CancellationToken cancellation)
    {
        JsonElement id = default;
        try
        {
            if (line.IsTooLong)
                throw new RequestException("body", $"the line has over {MaxBytes >> 20} MiB");
            if (!System.Text.Unicode.Utf8.IsValid(line.Bytes.Span))
                throw new RequestException("body", "the line is not UTF-8 text");
            using JsonDocument document = JsonDocument.Parse(line.Bytes);
            id = GenerateBody.IdOf(document.RootElement);
            GenerateBody body = GenerateBody.Read(document.RootElement);
            if (Fields.Boolean(document.RootElement, "stream") is true)
                throw new RequestException("stream", "a batch answers every line whole; leave it out");
            Generation[] samples =
                await Task.WhenAll(Submit(body, number, cancellation)).ConfigureAwait(false);
            byte[] answer = Write(json => WriteAnswers(json, id, body, number, samples));
            return (answer, samples.Any(sample => sample.Error is not null));
        }
        catch (JsonException error)
        {
            (int column, string problem) = JsonFault.Of(error, line.Bytes.Span);
            return (Refusal(id, "invalid_json", $"line {number}, column {column}: {problem}"), true);
        }
        catch (CapacityException error)
        {
            return (Refusal(id, "capacity", $"line {number}: {error.Message}"), true);
        }
        catch (PdEngineException error)
        {
            return (Refusal(id, "invalid_request", $"line {number}: {error.Message}"), true);
        }
    }

    /// <summary>
    /// Submits every sample of a line; each has a seed of its own that arrival order does not change.
    /// </summary>
    private Task<Generation>[] Submit(GenerateBody body, long number, CancellationToken cancellation)
    {
        Task<Generation>[] samples = new Task<Generation>[body.SampleCount];
        SamplingParams sampling = body.Request.Sampling;
        for (int i = 0; i < samples.Length; i++)
        {
            ulong sampleSeed = sampling.SamplingSeed is { } given
                ? unchecked(given + (ulong)i)
                : SeedHash.Of(seed, (ulong)number, (ulong)i);
            samples[i] = GenerateAsync(
                body.Request with { Sampling = sampling with { SamplingSeed = sampleSeed } }, cancellation);
        }
        return samples;
    }

    private async Task<Generation> GenerateAsync(GenerateRequest request, CancellationToken cancellation)
    {
        Generation generation = await door.GenerateAsync(request, cancellation).ConfigureAwait(false);
        routes.Add(generation);
        return generation;
    }

    private void WriteAnswers(
        Utf8JsonWriter json, JsonElement id, GenerateBody body, long number, Generation[] samples)
    {
        AnswerWriter writer = new(tokenizer);
        if (body.SampleCount > 1)
            json.WriteStartArray();
        for (int i = 0; i < samples.Length; i++)
        {
            string name = body.RequestName ?? $"line-{number}";
            if (body.SampleCount > 1)
                name = $"{name}-{i}";
            if (samples[i].Error is { } error)
                AnswerWriter.WriteError(json, id, "failed", error.Message);
            else
                writer.Write(json, id, name, samples[i], body.Request, body.ReturnText);
        }
        if (body.SampleCount > 1)
            json.WriteEndArray();
    }

    private static byte[] Refusal(JsonElement id, string type, string message) =>
        Write(json => AnswerWriter.WriteError(json, id, type, message));

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line, AnswerWriter.Style))
            write(json);
        line.WriteByte((byte)'\n');
        return line.ToArray();
    }
}
