namespace PdEngine;

/// <summary>
/// A made-up byte-level BPE of any size, for random models that an engine refuses without a tokenizer. Every
/// token longer than a byte is lower-case ASCII, so that no text is held back for half a code point.
/// </summary>
internal static class RandomVocabulary
{
    private const int Control = 3;
    private const int SpecialCount = 3;

    /// <param name="size">Tokens; at least 259.</param>
    /// <param name="pre">Name of the pre-tokenizer pattern to claim.</param>
    public static GgufVocabulary Make(int size, string pre)
    {
        Check.That(size >= 256 + SpecialCount);
        List<string> tokens = ByteTokens();
        List<string> merges = [];
        // Every word is a word made before it and one more letter: one merge each, in rank order.
        Queue<string> words = new(Enumerable.Range('a', 26).Select(letter => $"{(char)letter}"));
        while (tokens.Count < size - SpecialCount)
        {
            string word = words.Dequeue();
            for (char letter = 'a'; letter <= 'z' && tokens.Count < size - SpecialCount; letter++)
            {
                tokens.Add($"{word}{letter}");
                merges.Add($"{word} {letter}");
                words.Enqueue($"{word}{letter}");
            }
        }
        int[] types = new int[size];
        Array.Fill(types, 1);
        Array.Fill(types, Control, tokens.Count, SpecialCount);
        tokens.AddRange(["<|endoftext|>", "<|im_start|>", "<|im_end|>"]);
        int stop = size - SpecialCount;
        return new GgufVocabulary(
            "made up", "gpt2", pre, [.. tokens], types, [], [.. merges], stop, stop, AddBos: false,
            ChatTemplate: null);
    }

    /// <summary>
    /// The byte alphabet of byte-level BPE: printable bytes stand for themselves, others for code points from
    /// 256.
    /// </summary>
    private static List<string> ByteTokens()
    {
        List<string> tokens = [];
        int spare = 256;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;
            tokens.Add($"{(char)(isPrintable ? value : spare++)}");
        }
        return tokens;
    }
}
