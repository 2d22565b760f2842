using System.Globalization;
using System.Text;

namespace PdEngine.Tests;

/// <summary>Decode steps on a virtual GPU, without schedulers: two may be started at once.</summary>
internal sealed class CudaStepRig : IDisposable
{
    public const int BlockCount = 16;
    private const int Page = 16;

    private readonly CudaDevices _devices;
    private readonly ModelWeights _weights;
    private readonly KvStore _store;
    private readonly TensorParallelRunner _runner;
    private readonly Queue<ForwardBatch> _started = [];
    private readonly Stack<ForwardBatch> _spare = new([new(), new()]);
    private readonly List<Sequence> _sequences = [];
    private readonly List<float>[] _logProbs = new List<float>[BlockCount];

    public CudaStepRig(bool usesGraphs, ulong seed = 0, int capability = 90)
    {
        StandIn.Reset(deviceCount: 1, seed, megabytes: 256);
        StandIn.SetCapability(capability);
        _devices = CudaDevices.Open(
            new CudaOptions { DriverPath = StandIn.Path, UsesGraphs = usesGraphs }, 1);
        IBackend backend = _devices.Backends[0];
        using ICheckpoint checkpoint = Checkpoint.Open(EngineRig.Folder());
        _weights = ModelWeights.Load(checkpoint, backend);
        ModelConfig config = _weights.Config;
        _store = backend.CreateKvStore(
            KvLayout.GroupedQuery(
                config.LayerCount, Page, config.KvHeadCount, config.HeadDim, backend.KvElement),
            BlockCount);
        _runner = new([backend], [_weights], KvMemory.InHost(_store, 1), 256);
    }

    /// <summary>Computes all of a few prompts but their last tokens; block 0 is nobody's.</summary>
    public void Prefill(int count, int tokens)
    {
        ForwardBatch batch = new();
        for (int i = 0; i < count; i++)
        {
            int[] prompt = [.. Enumerable.Range(0, tokens + 1).Select(token => (token * 7) + i)];
            Sequence sequence = new(NewRequest(i, prompt), new Nobody(), 1);
            sequence.Blocks.Add((2 * i) + 1);
            sequence.Blocks.Add((2 * i) + 2);
            sequence.ReserveStorage(Page);
            _sequences.Add(sequence);
            _logProbs[i] = new(64);
            batch.AddSlice(sequence, 0, tokens, Page);
            sequence.ComputedCount = tokens;
        }
        _runner.Start(batch);
        _runner.Finish(batch);
        _devices.Backends[0].Lane().Stream.Synchronize();
    }

    /// <summary>Starts a decode step of all sequences, every other time in another order.</summary>
    public void Start()
    {
        ForwardBatch batch = _spare.Pop();
        batch.Clear();
        bool isTurned = _sequences[0].StartedTokenCount % 2 == 0;
        for (int i = 0; i < _sequences.Count; i++)
            BatchBuilder.Add(batch, _sequences[isTurned ? _sequences.Count - 1 - i : i], 1, Page);
        batch.Mark();
        _runner.Start(batch);
        _started.Enqueue(batch);
    }

    /// <summary>Takes the results of the oldest step over.</summary>
    public void Finish()
    {
        ForwardBatch batch = _started.Dequeue();
        _runner.Finish(batch);
        if (_started.Count == 0)
            batch.Unmark();
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            Sequence sequence = batch.Sequences[i];
            SampleResult drawn = batch.Samples.Results[batch.SliceRows[i].FirstRow];
            sequence.ComputedCount++;
            sequence.Append(drawn.Token);
            _logProbs[_sequences.IndexOf(sequence)].Add(drawn.LogProb);
        }
        _spare.Push(batch);
    }

    /// <summary>All tokens and the bits of their log-probs.</summary>
    public string Drawn()
    {
        StringBuilder text = new();
        for (int i = 0; i < _sequences.Count; i++)
        {
            text.AppendJoin(' ', _sequences[i].OutputTokens.ToArray()).Append(" | ").AppendJoin(
                ' ', _logProbs[i].Select(BitConverter.SingleToInt32Bits)).AppendLine();
        }
        return text.ToString();
    }

    /// <summary>The decoded positions of a sequence lie in its second block.</summary>
    public bool IsWritten(int block) => block > 0 && block % 2 == 0 && block <= 2 * _sequences.Count;

    public byte[] Blocks()
    {
        CudaKvPool pool = ((CudaKvStore)_store).Pool;
        byte[] bytes = new byte[_store.Layout.BlockBytes * BlockCount];
        pool.Gpu.Download(pool.First, bytes);
        return bytes;
    }

    public void Dispose()
    {
        _runner.Dispose();
        _weights.Dispose();
        _store.Dispose();
        _devices.Dispose();
    }

    /// <summary>Some have penalties, whose history ends with a token that is still to be drawn.</summary>
    private static Request NewRequest(int number, int[] prompt) => new()
    {
        Id = new(number + 1),
        PromptTokens = prompt,
        Seed = (ulong)number,
        StopTokenIds = [],
        PenaltyPromptCount = prompt.Length,
        ReturnLogProb = true,
        Sampling = new()
        {
            MaxNewTokens = 24,
            Temperature = number == 1 ? 0 : 0.9f,
            RepetitionPenalty = number % 2 == 0 ? 1.4f : 1,
            FrequencyPenalty = number % 2 == 0 ? 0.3f : 0,
        },
    };

    private sealed class Nobody : ISequenceObserver
    {
        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
        }
    }
}
