using System.Text;

namespace PdEngine.Tests;

/// <summary>Normalization form C by its definition, over a whole text at once.</summary>
internal static class NfcOracle
{
    public static string Normalize(string text)
    {
        List<int> marks = [];
        foreach (Rune rune in text.EnumerateRunes())
            Decompose(rune.Value, marks);
        for (bool swapped = true; swapped;)
        {
            swapped = false;
            for (int at = 1; at < marks.Count; at++)
            {
                int before = NfcTables.CombiningClass(marks[at - 1]);
                int here = NfcTables.CombiningClass(marks[at]);
                if (here == 0 || before <= here)
                    continue;
                (marks[at - 1], marks[at]) = (marks[at], marks[at - 1]);
                swapped = true;
            }
        }
        return string.Concat(Compose(marks).Select(codePoint => new Rune(codePoint)));
    }

    // A code point joins the last starter unless something between them has no class, or one not below its
    // own.
    private static List<int> Compose(List<int> marks)
    {
        List<int> composed = [];
        foreach (int codePoint in marks)
        {
            int starter = composed.FindLastIndex(other => NfcTables.CombiningClass(other) == 0);
            int combining = NfcTables.CombiningClass(codePoint);
            bool isBlocked = starter < 0
                || composed.Skip(starter + 1).Any(other => NfcTables.CombiningClass(other) >= combining);
            if (!isBlocked && NfcTables.TryCompose(composed[starter], codePoint, out int composite))
                composed[starter] = composite;
            else
                composed.Add(codePoint);
        }
        return composed;
    }

    private static void Decompose(int codePoint, List<int> marks)
    {
        if (!NfcTables.TryDecompose(codePoint, out int first, out int second))
        {
            marks.Add(codePoint);
            return;
        }
        Decompose(first, marks);
        if (second != 0)
            Decompose(second, marks);
    }
}
