namespace PdEngine.Bench;

/// <summary>Numbers drawn for a name: the same in every arm, run and process.</summary>
internal static class KeyHash
{
    /// <summary>64-bit FNV-1a of the name, begun from the seed.</summary>
    public static ulong Of(string key, int seed)
    {
        ulong hash = 14_695_981_039_346_656_037 ^ (ulong)seed;
        foreach (char letter in key)
            hash = (hash ^ letter) * 1_099_511_628_211;
        return hash;
    }

    /// <summary>Token ids [count], drawn for a name.</summary>
    public static int[] Tokens(string key, int seed, int count, int vocabularySize)
    {
        Random random = new((int)(Of(key, seed) >> 33));
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++)
            tokens[i] = random.Next(vocabularySize);
        return tokens;
    }
}
