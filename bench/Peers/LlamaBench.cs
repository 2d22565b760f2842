namespace PdEngine.Bench;

/// <summary>
/// Runs llama.cpp on the rows that <see cref="OurModel"/> runs, on a thread of its own.
/// </summary>
/// <param name="peer">The loaded model; not owned.</param>
/// <param name="thread">Where it runs: our ops may hold their caller to a core, which its threads would
/// inherit.</param>
/// <param name="threads">Its threads.</param>
/// <param name="vocabularySize">Of the model.</param>
internal sealed class LlamaBench(LlamaCpp peer, PeerThread thread, int threads, int vocabularySize)
{
    /// <summary>Makes a row ready: every sequence has its own positions, with K and V computed.</summary>
    public IRowRun Open(ModelRowSpec row)
    {
        LlamaRow made = new(peer, row, vocabularySize);
        thread.Run(() => made.Open(threads));
        return new OnThread(made, thread);
    }

    private sealed class OnThread(LlamaRow row, PeerThread thread) : IRowRun
    {
        public void Prepare() => thread.Run(row.Prepare);

        public void Run() => thread.Run(row.Run);

        public void Dispose()
        {
        }
    }
}
