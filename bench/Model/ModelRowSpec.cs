using System.Globalization;

namespace PdEngine.Bench;

/// <summary>
/// What one row of a model benchmark computes: so many sequences of one token each, and a chunk of a prompt
/// beside them or alone.
/// </summary>
/// <param name="Name">As flags spell it.</param>
/// <param name="DecodeRows">Sequences that get one token each.</param>
/// <param name="ChunkTokens">Tokens of the prompt; 0 is none.</param>
/// <param name="Context">Positions behind every sequence.</param>
internal sealed record ModelRowSpec(string Name, int DecodeRows, int ChunkTokens, int Context)
{
    private const int DefaultContext = 512, DefaultChunk = 256, DefaultRows = 8;
    private const int MostTokens = 131_072, MostRows = 256;

    /// <summary>The rows of a full run.</summary>
    public static IReadOnlyList<ModelRowSpec> All { get; } =
        Parse("prefill-512,prefill-2048,prefill-4096,decode-1,decode-8,decode-32,decode-1-4096,mixed");

    /// <summary>Rows that a model of any size computes at once.</summary>
    public static IReadOnlyList<ModelRowSpec> Quick { get; } =
        Parse("prefill-64,decode-1-64,decode-8-64,mixed-32-4-64");

    public string Phase => DecodeRows == 0 ? "prefill" : ChunkTokens == 0 ? "decode" : "mixed";

    public int Batch => DecodeRows + (ChunkTokens > 0 ? 1 : 0);

    public int Tokens => DecodeRows + ChunkTokens;

    /// <summary>The longest sequence that it needs.</summary>
    public int Positions => Context + Math.Max(1, ChunkTokens);

    /// <summary>A run takes long enough that a few say enough.</summary>
    public bool IsLong => ChunkTokens > 1024;

    /// <summary>
    /// Reads names: <c>prefill-TOKENS</c>, <c>decode-BATCH[-CONTEXT]</c>,
    /// <c>mixed[-TOKENS[-BATCH[-CONTEXT]]]</c>.
    /// </summary>
    /// <exception cref="OptionsException">A name is none of these, or a size is out of range.</exception>
    public static IReadOnlyList<ModelRowSpec> Parse(string names)
    {
        List<ModelRowSpec> rows = [];
        foreach (string name in names.Split(
            ',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            string[] parts = name.Split('-');
            int Size(int index, int byDefault, int most) => index < parts.Length
                ? SizeOf(name, parts[index], most)
                : byDefault;
            rows.Add(parts switch
            {
                ["prefill", _] => new(name, 0, Size(1, 0, MostTokens), 0),
                ["decode", _] or ["decode", _, _] =>
                    new(name, Size(1, 0, MostRows), 0, Size(2, DefaultContext, MostTokens)),
                ["mixed", ..] when parts.Length <= 4 => new(
                    name, Size(2, DefaultRows, MostRows), Size(1, DefaultChunk, MostTokens),
                    Size(3, DefaultContext, MostTokens)),
                _ => throw Refused(name),
            });
        }
        return rows.Count > 0 ? rows : throw new OptionsException("--rows", "it names no row");
    }

    private static int SizeOf(string name, string part, int most)
    {
        bool isNumber = int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size);
        if (!isNumber)
            throw Refused(name);
        return size >= 1 && size <= most
            ? size
            : throw new OptionsException("--rows", $"{size} of '{name}' is not in 1 to {most}");
    }

    private static OptionsException Refused(string name) => new(
        "--rows",
        $"'{name}' is no row; rows are prefill-TOKENS, decode-BATCH[-CONTEXT] and "
        + "mixed[-TOKENS[-BATCH[-CONTEXT]]]");
}
