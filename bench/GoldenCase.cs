using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>
/// One case of a golden file: a text or a chat, and what an independent implementation gave.
/// </summary>
/// <param name="IsChat">A chat; else a text.</param>
/// <param name="Ids">The prompt.</param>
/// <param name="LogProbs">Of each token after those before it; none for the first.</param>
/// <param name="Greedy">What follows the prompt when the likeliest token is always taken.</param>
internal sealed record GoldenCase(bool IsChat, int[] Ids, float?[] LogProbs, int[] Greedy)
{
    /// <summary>Reads <c>golden.json</c> as shared/goldens/smollm2 has it, its bf16 variant.</summary>
    /// <exception cref="BenchException">It is not there, or is something else.</exception>
    public static IReadOnlyList<GoldenCase> Read(string path)
    {
        try
        {
            using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(path));
            return [.. golden.RootElement.GetProperty("cases").EnumerateArray().Select(Of)];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException
            or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new BenchException($"'{path}' is no file of golden cases ({fault.Message}); name one with "
                + "--goldens", fault);
        }
    }

    private static GoldenCase Of(JsonElement one)
    {
        JsonElement bf16 = one.GetProperty("bf16");
        return new GoldenCase(
            one.TryGetProperty("messages", out _), Ints(one.GetProperty("input_ids")),
            [.. bf16.GetProperty("next_logprob").EnumerateArray().Select(
                value => value.ValueKind == JsonValueKind.Number ? value.GetSingle() : (float?)null)],
            Ints(bf16.GetProperty("greedy")));
    }

    private static int[] Ints(JsonElement array) =>
        [.. array.EnumerateArray().Select(value => value.GetInt32())];
}
