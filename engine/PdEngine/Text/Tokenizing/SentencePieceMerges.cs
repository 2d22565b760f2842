namespace PdEngine;

/// <summary>
/// Turns SentencePiece scores into merges: every way to join two tokens into a third, best score first.
/// </summary>
internal static class SentencePieceMerges
{
    private const int MaxTokenBytes = 256;

    /// <summary>
    /// Adds the merges of a vocabulary; tokens of equal score share a rank, so the leftmost pair is first.
    /// </summary>
    public static void Add(TokenTexts texts, float[] scores, BpeModelBuilder builder)
    {
        int[] order = [.. Enumerable.Range(0, texts.IdLimit)];
        Array.Sort(order, (left, right) => scores[right].CompareTo(scores[left]) is var byScore and not 0
            ? byScore
            : left.CompareTo(right));
        int rank = 0;
        for (int index = 0; index < order.Length; index++)
        {
            if (index > 0 && scores[order[index]] != scores[order[index - 1]])
                rank = index;
            ReadOnlySpan<byte> text = texts.Text(order[index]);
            // Splitting is quadratic in a token's length; real tokens are short.
            if (text.Length <= MaxTokenBytes)
                AddSplits(text, rank, builder);
        }
    }

    private static void AddSplits(ReadOnlySpan<byte> text, int rank, BpeModelBuilder builder)
    {
        for (int at = 1; at < text.Length; at++)
        {
            bool isBoundary = (text[at] & 0xC0) != 0x80;
            if (isBoundary && builder.TryFind(text[..at], out _) && builder.TryFind(text[at..], out _))
                builder.AddMerge(text[..at], text[at..], rank);
        }
    }
}
