namespace PdEngine;

/// <summary>Hangul syllables decompose and compose by arithmetic instead of by table.</summary>
internal static class Hangul
{
    private const int FirstSyllable = 0xAC00;
    private const int FirstLeading = 0x1100;
    private const int FirstVowel = 0x1161;
    private const int NoTrailing = 0x11A7;
    private const int Leadings = 19;
    private const int Vowels = 21;
    private const int Trailings = 28;
    private const int Syllables = Leadings * Vowels * Trailings;

    public static bool TryDecompose(int codePoint, out int first, out int second)
    {
        int index = codePoint - FirstSyllable;
        (first, second) = (0, 0);
        if ((uint)index >= Syllables)
            return false;
        int trailing = index % Trailings;
        if (trailing > 0)
            (first, second) = (codePoint - trailing, NoTrailing + trailing);
        else
        {
            first = FirstLeading + index / (Vowels * Trailings);
            second = FirstVowel + index / Trailings % Vowels;
        }
        return true;
    }

    public static bool TryCompose(int first, int second, out int composite)
    {
        composite = 0;
        int leading = first - FirstLeading;
        int vowel = second - FirstVowel;
        if ((uint)leading < Leadings && (uint)vowel < Vowels)
        {
            composite = FirstSyllable + (leading * Vowels + vowel) * Trailings;
            return true;
        }
        int syllable = first - FirstSyllable;
        int trailing = second - NoTrailing;
        if ((uint)syllable >= Syllables || syllable % Trailings != 0 || trailing is <= 0 or >= Trailings)
            return false;
        composite = first + trailing;
        return true;
    }

    /// <summary>Vowels and trailing consonants join what stands before them.</summary>
    public static void MarkJoining(Span<byte> classes)
    {
        classes.Slice(FirstVowel, Vowels).Fill(NfcTables.UnstableStarter);
        classes.Slice(NoTrailing + 1, Trailings - 1).Fill(NfcTables.UnstableStarter);
    }
}
