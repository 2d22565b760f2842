namespace PdEngine;

/// <summary>
/// The noise of a draw: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011), a function of seed, position and token
/// alone. The native backends compute the same words.
/// </summary>
internal static class SamplingRng
{
    /// <summary>The four words that a counter and a key give.</summary>
    internal static (uint Word0, uint Word1, uint Word2, uint Word3) Philox(
        uint counter0, uint counter1, uint counter2, uint counter3, uint key0, uint key1)
    {
        for (int round = 0; round < 10; round++)
        {
            ulong product0 = 0xD2511F53ul * counter0;
            ulong product1 = 0xCD9E8D57ul * counter2;
            counter0 = (uint)(product1 >> 32) ^ counter1 ^ key0;
            counter1 = (uint)product1;
            counter2 = (uint)(product0 >> 32) ^ counter3 ^ key1;
            counter3 = (uint)product0;
            unchecked
            {
                key0 += 0x9E3779B9;
                key1 += 0xBB67AE85;
            }
        }
        return (counter0, counter1, counter2, counter3);
    }

    /// <summary>Standard Gumbel noise of one token; in [-3.2, 22.9].</summary>
    internal static double Gumbel(ulong seed, int position, int token)
    {
        uint word = Philox((uint)token, (uint)position, 0, 0, (uint)seed, (uint)(seed >> 32)).Word0;
        double v = (word + 0.5) * (1.0 / 4294967296.0);
        // 1 - v has 33 bits, so it is exact, and its logarithm is log1p(-v).
        return -Math.Log(-Math.Log(1 - v));
    }
}
