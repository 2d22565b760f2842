using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>
/// How fast memory is copied, past the caches: what taking new weights in is held against.
/// </summary>
internal static unsafe class MemoryCopyLimit
{
    private const long CopyBytes = 64 << 20;
    private const nuint Alignment = 4096;

    /// <summary>Bytes copied a second by so many threads, each between runs of its own.</summary>
    public static double Read(int threads, int milliseconds)
    {
        double[] rates = new double[threads];
        // A source and a target each.
        nuint bytes = (nuint)ProbeMemory.BytesPerThread(2 * threads, CopyBytes);
        using Barrier start = new(threads);
        Thread[] copiers = [.. Enumerable.Range(0, threads).Select(index =>
            new Thread(() => rates[index] = Copy(start, bytes, milliseconds)) { IsBackground = true })];
        foreach (Thread copier in copiers)
            copier.Start();
        foreach (Thread copier in copiers)
            copier.Join();
        return rates.Sum();
    }

    private static double Copy(Barrier start, nuint bytes, int milliseconds)
    {
        void* source = NativeMemory.AlignedAlloc(bytes, Alignment);
        void* target = NativeMemory.AlignedAlloc(bytes, Alignment);
        try
        {
            // Pages are given on the first touch, which is no part of a copy.
            NativeMemory.Fill(source, bytes, 1);
            NativeMemory.Fill(target, bytes, 1);
            start.SignalAndWait();
            long began = Stopwatch.GetTimestamp();
            double copied = 0;
            TimeSpan elapsed;
            do
            {
                NativeMemory.Copy(source, target, bytes);
                copied += bytes;
                elapsed = Stopwatch.GetElapsedTime(began);
            }
            while (elapsed.TotalMilliseconds < milliseconds);
            return copied / elapsed.TotalSeconds;
        }
        finally
        {
            NativeMemory.AlignedFree(source);
            NativeMemory.AlignedFree(target);
        }
    }
}
