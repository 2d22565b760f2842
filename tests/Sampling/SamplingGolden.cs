using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>One case of goldens/sampling.</summary>
internal sealed class SamplingGolden
{
    public required int Index { get; init; }
    public required float[] Logits { get; init; }
    public required double[] Joint { get; init; }
    public required double[] Sequential { get; init; }
    public required double[] Tempered { get; init; }
    public required double[] Raw { get; init; }
    public required int ArgMax { get; init; }

    public required SampleRow Row { get; init; }
    public required int[] History { get; init; }
    public required int[] BiasIds { get; init; }
    public required float[] BiasValues { get; init; }

    public static IReadOnlyList<SamplingGolden> Load()
    {
        string path = TestFiles.Golden("sampling", "golden.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        List<SamplingGolden> cases = [];
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
            cases.Add(Read(cases.Count, item));
        return cases;
    }

    /// <summary>Adds the case's row, changed as the caller likes.</summary>
    public void AddTo(SampleBatch samples, Func<SampleRow, SampleRow> change) =>
        samples.Add(change(Row), History, BiasIds, BiasValues, []);

    public override string ToString() => $"case {Index}";

    private static SamplingGolden Read(int index, JsonElement item)
    {
        JsonElement parameters = item.GetProperty("params");
        float Get(string name, float fallback) =>
            parameters.TryGetProperty(name, out JsonElement value) ? value.GetSingle() : fallback;
        int[] prompt = Ids(item, "prompt");
        List<(int Id, float Value)> bias = [];
        if (parameters.TryGetProperty("logit_bias", out JsonElement named))
        {
            foreach (JsonProperty one in named.EnumerateObject())
                bias.Add((int.Parse(one.Name), one.Value.GetSingle()));
        }
        return new()
        {
            Index = index,
            Logits = Array.ConvertAll(Doubles(item, "logits"), value => (float)value),
            Joint = Doubles(item, "joint"),
            Sequential = Doubles(item, "sequential"),
            Tempered = Doubles(item, "logprob_tempered"),
            Raw = Doubles(item, "logprob_raw"),
            ArgMax = item.GetProperty("argmax").GetInt32(),
            History = [.. prompt, .. Ids(item, "output")],
            BiasIds = [.. bias.Select(one => one.Id)],
            BiasValues = [.. bias.Select(one => one.Value)],
            Row = SampleRows.Plain(0) with
            {
                Temperature = Get("temperature", 1), TopK = (int)Get("top_k", -1), TopP = Get("top_p", 1),
                MinP = Get("min_p", 0), RepetitionPenalty = Get("repetition_penalty", 1),
                FrequencyPenalty = Get("frequency_penalty", 0), PresencePenalty = Get("presence_penalty", 0),
                PromptCount = prompt.Length,
            },
        };
    }

    private static double[] Doubles(JsonElement item, string name) =>
        [.. item.GetProperty(name).EnumerateArray().Select(value => value.GetDouble())];

    private static int[] Ids(JsonElement item, string name) =>
        [.. item.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];
}
