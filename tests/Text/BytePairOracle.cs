using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>
/// Byte-pair encoding by its definition, one list of strings at a time: slow, and plain to read.
/// </summary>
internal sealed class BytePairOracle
{
    private readonly Dictionary<string, int> _vocabulary;
    private readonly List<(string Left, string Right)> _merges;

    public BytePairOracle(JsonObject tokenizer)
    {
        JsonNode model = tokenizer["model"]!;
        _vocabulary = model["vocab"]!.AsObject().ToDictionary(entry => entry.Key, entry => (int)entry.Value!);
        _merges = [.. model["merges"]!.AsArray().Select(merge => merge is JsonArray pair
            ? ((string)pair[0]!, (string)pair[1]!)
            : (((string)merge!).Split(' ')[0], ((string)merge!).Split(' ')[1]))];
    }

    /// <summary>Ids of one piece.</summary>
    public int[] Encode(string piece)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(piece);
        List<string> symbols = [.. bytes.Select(value => SmallTokenizers.Alphabet[value])];
        while (true)
        {
            int best = int.MaxValue;
            int at = 0;
            for (int pair = 0; pair + 1 < symbols.Count; pair++)
            {
                int rank = _merges.IndexOf((symbols[pair], symbols[pair + 1]));
                if (rank >= 0 && rank < best)
                    (best, at) = (rank, pair);
            }
            if (best == int.MaxValue)
                return [.. symbols.Select(symbol => _vocabulary[symbol])];
            symbols[at] += symbols[at + 1];
            symbols.RemoveAt(at + 1);
        }
    }
}
