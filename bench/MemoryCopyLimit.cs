using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>
/// How fast memory is copied, past the caches: what taking new weights in is held against.
/// </summary>
internal static unsafe class MemoryCopyLimit
{
    private const nuint CopyBytes = 64 << 20;
    private const nuint Alignment = 4096;

    /// <summary>Bytes copied a second by so many threads, each between runs of its own.</summary>
    public static double Read(int threads, int milliseconds)
    {
        double[] rates = new double[threads];
        using Barrier start = new(threads);
        Thread[] copiers = [.. Enumerable.Range(0, threads).Select(
            index => new Thread(() => rates[index] = Copy(start, milliseconds)) { IsBackground = true })];
        foreach (Thread copier in copiers)
            copier.Start();
        foreach (Thread copier in copiers)
            copier.Join();
        return rates.Sum();
    }

    private static double Copy(Barrier start, int milliseconds)
    {
        void* source = NativeMemory.AlignedAlloc(CopyBytes, Alignment);
        void* target = NativeMemory.AlignedAlloc(CopyBytes, Alignment);
        try
        {
            // Pages are given on the first touch, which is no part of a copy.
            NativeMemory.Fill(source, CopyBytes, 1);
            NativeMemory.Fill(target, CopyBytes, 1);
            start.SignalAndWait();
            long began = Stopwatch.GetTimestamp();
            double copied = 0;
            TimeSpan elapsed;
            do
            {
                NativeMemory.Copy(source, target, CopyBytes);
                copied += CopyBytes;
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
