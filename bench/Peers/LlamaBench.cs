using System.Diagnostics;

namespace PdEngine.Bench;

/// <summary>
/// Times llama.cpp on the shapes that <see cref="ModelBench"/> times us on; tokens per second, median.
/// </summary>
internal sealed class LlamaBench(LlamaCpp peer, int threads, int vocabularySize)
{
    public double Prefill(int tokens, int repeats)
    {
        peer.OpenContext(tokens, 1, threads);
        return Median(repeats, tokens, () => peer.Clear(), () => Compute(1, 0, tokens));
    }

    /// <summary>
    /// Each sequence gets its own positions, computed, so that each has its own K and V to read.
    /// </summary>
    public double Decode(int batch, int context, int repeats)
    {
        int position = context;
        peer.OpenContext((context + repeats + 2) * batch, batch, threads);
        Compute(1, 0, context);
        for (int sequence = 1; sequence < batch; sequence++)
            peer.Copy(0, sequence);
        return Median(repeats, batch, () => { }, () => Compute(batch, position++, 1));
    }

    private static double Median(int repeats, int tokens, Action prepare, Action run)
    {
        double[] seconds = new double[repeats];
        for (int repeat = repeats > 1 ? -1 : 0; repeat < repeats; repeat++)
        {
            prepare();
            long start = Stopwatch.GetTimestamp();
            run();
            if (repeat >= 0)
                seconds[repeat] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        Array.Sort(seconds);
        return tokens / seconds[repeats / 2];
    }

    private void Compute(int batch, int start, int tokensEach)
    {
        const int most = 2048;
        for (int done = 0; done < tokensEach; done += most)
        {
            int each = Math.Min(most, tokensEach - done);
            int[] tokens = new int[batch * each];
            int[] positions = new int[tokens.Length];
            int[] sequences = new int[tokens.Length];
            byte[] wanted = new byte[tokens.Length];
            for (int i = 0; i < tokens.Length; i++)
            {
                positions[i] = start + done + (i % each);
                sequences[i] = i / each;
                tokens[i] = (int)((positions[i] * 7919L) % vocabularySize);
                wanted[i] = (byte)(positions[i] == start + tokensEach - 1 ? 1 : 0);
            }
            peer.Decode(tokens, positions, sequences, wanted);
        }
    }
}
