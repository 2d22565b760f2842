namespace PdEngine;

/// <summary>Finds what a misspelt name was meant to be.</summary>
internal static class NearestName
{
    /// <summary>The known name within so many edits (Levenshtein) of the given one, or null.</summary>
    public static string? Of(string given, IEnumerable<string> known, int within)
    {
        string? nearest = null;
        int best = within + 1;
        if (given.Length > 64)
            return null;
        foreach (string name in known)
        {
            int distance = Distance(given, name);
            if (distance < best && distance < name.Length)
                (nearest, best) = (name, distance);
        }
        return nearest;
    }

    private static int Distance(string left, string right)
    {
        int[] previous = new int[right.Length + 1];
        int[] current = new int[right.Length + 1];
        for (int j = 0; j <= right.Length; j++)
            previous[j] = j;
        for (int i = 1; i <= left.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int change = previous[j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1);
                current[j] = Math.Min(change, 1 + Math.Min(previous[j], current[j - 1]));
            }
            (previous, current) = (current, previous);
        }
        return previous[right.Length];
    }
}
