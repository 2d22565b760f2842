namespace PdEngine;

/// <summary>
/// The pre-tokenizer patterns that have a scanner, by the regular expression in tokenizer.json.
/// </summary>
internal static class PatternCatalog
{
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
    private const string Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string Prefix = @"[^\r\n\p{L}\p{N}]?";
    private const string Whitespace = @"\s+(?!\S)|\s+";
    private const string Tail = @"\s*[\r\n]+|" + Whitespace;

    private const string OneDigit = @"\p{N}";
    private const string ThreeDigits = @"\p{N}{1,3}";
    private const string Cjk = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";

    private const string Gpt2 =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|" + Whitespace;

    private const string Qwen =
        Contractions + "|" + Prefix + @"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + Tail;

    private const string Llama3 =
        Contractions + "|" + Prefix + @"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + Tail;

    private const string O200k =
        Prefix + Upper + "*" + Lower + "+" + Contractions + "?|"
        + Prefix + Upper + "+" + Lower + "*" + Contractions + "?|"
        + @"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + Tail;

    private const string DeepSeek =
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
        + @" ?[\p{P}\p{S}]+[\r\n]*|" + Tail;

    /// <summary>The scanner of a pattern, or null where there is none.</summary>
    public static PieceScanner? Find(string pattern)
    {
        // DeepSeek writes the control characters themselves where others write their escapes.
        string escaped = pattern.Replace("\r", @"\r", StringComparison.Ordinal)
            .Replace("\n", @"\n", StringComparison.Ordinal);
        return escaped switch
        {
            Gpt2 => new Gpt2Scanner(),
            Qwen => new Cl100kScanner(mostDigits: 1),
            Llama3 => new Cl100kScanner(mostDigits: 3),
            O200k => new O200kScanner(),
            DeepSeek => new DeepSeekScanner(),
            OneDigit => new NumberScanner(mostDigits: 1),
            ThreeDigits => new NumberScanner(mostDigits: 3),
            Cjk => new CjkScanner(),
            _ => null,
        };
    }

    /// <summary>Values of <c>tokenizer.ggml.pre</c>, one for each of the chains.</summary>
    public static IReadOnlyList<string> GgufNames { get; } =
        ["gpt-2", "llama-bpe", "qwen2", "smollm", "deepseek-v3", "gpt-4o"];

    /// <summary>The patterns of a <c>tokenizer.ggml.pre</c>, in the order they run, or null.</summary>
    public static string[]? PatternsOfGguf(string? name) =>
        name switch
        {
            null or "default" or "gpt-2" => [Gpt2],
            "llama-bpe" or "llama3" or "llama-v3" => [Llama3],
            "qwen2" or "deepseek-r1-qwen" => [Qwen],
            "smollm" => [OneDigit, Gpt2],
            "deepseek-v3" => [ThreeDigits, Cjk, DeepSeek],
            "gpt-4o" => [O200k],
            _ => null,
        };

    /// <summary>
    /// The scanners of a GGUF file's <c>tokenizer.ggml.pre</c>, in the order they run, or null.
    /// </summary>
    public static PieceScanner[]? FindGguf(string? name) => PatternsOfGguf(name) is { } patterns
        ? [.. patterns.Select(pattern => Find(pattern)!)]
        : null;
}
