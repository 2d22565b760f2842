using System.Text;

namespace PdEngine.Host;

/// <summary>
/// Compares two tokenizers by what they do: on every token's own text, and on texts that tell pre-tokenizers
/// from each other.
/// </summary>
internal static class TokenizerProof
{
    private const int TokensPerText = 48;

    private static readonly string[] Samples =
    [
        "", " ", "   \n\n  \t x",
        "Hello, world! It's 1234567 o'clock; I'LL be there, you'd better.\r\n\r\nOK",
        "  two spaces, trailing  ", "def f(x):\n    return x**2 + 0.5  # ok?\n\n\n\tpass",
        "Grüße, naïve cafe\u0301 ½ Ⅷ ① ٣٤٥",
        "北京是中国的首都。東京ひらがなカタカナ 12345",
        "한국어 문장입니다 नमस्ते สวัสดี",
        "🙂👍🏽👨‍👩‍👧 math: ∑∫≠≤ «quotes» — dash…",
        "camelCaseWord ALLCAPS miXed x'S don'T", "\u1e0b\u0323 q\u0307\u0323",
        "<|im_start|>user\nhi<|im_end|>\n<s>[INST] a [/INST]</s>", "a/b//c\\d\\\\e {\"k\": [1, 2.50, -3e8]}",
    ];

    /// <summary>The first text that they read or write differently; null where there is none.</summary>
    public static string? FirstDifference(Tokenizer wanted, Tokenizer made)
    {
        foreach (string text in Samples.Concat(OwnTexts(wanted)))
        {
            foreach (bool special in (bool[])[false, true])
            {
                int[] ids = wanted.Encode(text, special);
                if (!ids.AsSpan().SequenceEqual(made.Encode(text, special))
                    || wanted.Decode(ids) != made.Decode(ids)
                    || wanted.Decode(ids, true) != made.Decode(ids, true))
                {
                    return text;
                }
            }
        }
        for (int id = 0; id < wanted.VocabularySize; id++)
        {
            ReadOnlySpan<byte> bytes = wanted.TokenBytesOf(id);
            if (bytes.Length > 0 && !bytes.SequenceEqual(made.TokenBytesOf(id)))
                return Encoding.UTF8.GetString(bytes);
        }
        return null;
    }

    private static IEnumerable<string> OwnTexts(Tokenizer tokenizer)
    {
        for (int first = 0; first < tokenizer.VocabularySize; first += TokensPerText)
        {
            int count = Math.Min(TokensPerText, tokenizer.VocabularySize - first);
            yield return tokenizer.Decode([.. Enumerable.Range(first, count)]);
        }
        foreach (int id in Enumerable.Range(0, tokenizer.VocabularySize).Where(tokenizer.IsSpecial))
        {
            string token = tokenizer.TokenText(id);
            yield return $"a{token}b";
            yield return $"a  {token}  b";
        }
    }
}
