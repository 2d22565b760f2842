using System.Text;

namespace PdEngine;

/// <summary>
/// What tokenizer_config.json adds: tokens with a role, and whether they are put around a text.
/// </summary>
internal sealed class TokenizerConfig
{
    private bool? _addBos;
    private bool? _addEos;

    /// <summary>Tokens with a role.</summary>
    public SpecialTokens Special { get; private init; } = new();

    public static TokenizerConfig Read(TokenizerField file)
    {
        if (!file.IsObject)
            throw file.Fault("must be a JSON object");
        TokenizerConfig config = new()
        {
            Special = new SpecialTokens(ReadToken(file["bos_token"]), ReadToken(file["eos_token"]),
                ReadToken(file["pad_token"]), ReadToken(file["unk_token"])),
        };
        // Only Llama's class builds its post-processor from these flags; for others tokenizer.json has the
        // last word.
        TokenizerField kind = file["tokenizer_class"];
        if (!kind.IsNull && kind.Text() is "LlamaTokenizer" or "LlamaTokenizerFast")
        {
            config._addBos = ReadFlag(file["add_bos_token"]);
            config._addEos = ReadFlag(file["add_eos_token"]);
        }
        return config;
    }

    /// <summary>The ids around a text once the flags have their say.</summary>
    public TokenFrame Apply(TokenFrame frame, TokenTexts texts) =>
        new(Apply(_addBos, Special.Bos, frame.Before, texts),
            Apply(_addEos, Special.Eos, frame.Behind, texts));

    private static int[] Apply(bool? wanted, string? token, int[] otherwise, TokenTexts texts)
    {
        if (wanted is null || token is null || texts.Find(Encoding.UTF8.GetBytes(token)) is not { } id)
            return otherwise;
        return wanted.Value ? [id] : [];
    }

    private static string? ReadToken(TokenizerField field)
    {
        if (field.IsNull)
            return null;
        return field.IsObject ? field["content"].Text() : field.Text();
    }

    private static bool? ReadFlag(TokenizerField field) => field.IsNull ? null : field.Flag();
}
