namespace PdEngine.Tests;

/// <summary>
/// A prompt computed by one worker goes on in another of any size with the bits of a worker that did it all.
/// </summary>
public sealed class KvHandOffTests
{
    private const int PageSize = 16;
    private const int PromptTokens = 53;
    private const int DecodeCount = 5;

    private static readonly int[] Sizes = [1, 2, 4];

    [Test]
    public void A_sequence_goes_on_in_a_worker_of_another_size(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string backend,
        [Values("every option", "one KV head", "two KV heads")] string shape,
        [Values] KvDomainKind domain)
    {
        SyntheticCheckpoint checkpoint = new(TensorParallelTests.Shapes[shape], 21);
        ShardedModel[] models = [.. Sizes.Select(size => ShardedModel.Load(backend, checkpoint, size))];
        float[][]? expected = null;
        foreach (ShardedModel prefill in models)
        {
            foreach (ShardedModel decode in models)
            {
                float[][] logits = domain == KvDomainKind.Host
                    ? Shared(prefill, decode)
                    : Copied(prefill, decode);
                expected ??= Alone(models[0]);
                for (int row = 0; row < DecodeCount; row++)
                    TestTensors.AssertSameBits(
                        logits[row], expected[row], $"tp {prefill.Size} to {decode.Size}, token {row}");
            }
        }
        foreach (ShardedModel model in models)
            model.Dispose();
    }

    /// <summary>One worker does it all.</summary>
    private static float[][] Alone(ShardedModel model)
    {
        using KvMemory memory = model.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker worker = new(model, memory);
        Sequence sequence = ShardedWorker.NewSequence(Prompt(model), Enumerable.Range(0, 8));
        return worker.Decode(sequence, Prefill(worker, sequence), DecodeCount);
    }

    /// <summary>Both workers use one store: the blocks change hands.</summary>
    private static float[][] Shared(ShardedModel prefill, ShardedModel decode)
    {
        using KvStore store = prefill.Backends[0].CreateKvStore(prefill.Layout(PageSize), 64);
        using ShardedWorker first = new(prefill, KvMemory.InHost(store, prefill.Size));
        using ShardedWorker second = new(decode, KvMemory.InHost(store, decode.Size));
        Sequence sequence = ShardedWorker.NewSequence(Prompt(prefill), [9, 4, 60, 5, 7, 1]);
        return second.Decode(sequence, Prefill(first, sequence), DecodeCount);
    }

    /// <summary>Each rank has a store: the bytes move.</summary>
    private static float[][] Copied(ShardedModel prefill, ShardedModel decode)
    {
        using KvMemory source = prefill.NewMemory(KvDomainKind.Device, PageSize, out _);
        using KvMemory target = decode.NewMemory(KvDomainKind.Device, PageSize, out _);
        using ShardedWorker first = new(prefill, source);
        using ShardedWorker second = new(decode, target);
        int[] from = [9, 4, 60, 5], to = [1, 9, 3, 63];
        Sequence sent = ShardedWorker.NewSequence(Prompt(prefill), from);
        float[] logits = Prefill(first, sent);
        KvTransfer transfer = new(source, target);
        long bytes = transfer.Copy(from, to, 0, 1) + transfer.Copy(from, to, 1, transfer.LayerCount - 1);
        Assert.That(bytes, Is.EqualTo(from.Length * transfer.BlockBytes));
        Sequence received = ShardedWorker.NewSequence(Prompt(prefill), [.. to, 20, 21]);
        received.ComputedCount = PromptTokens;
        return second.Decode(received, logits, DecodeCount);
    }

    private static float[] Prefill(ShardedWorker worker, Sequence sequence)
    {
        worker.Step((sequence, 40));
        return worker.Step((sequence, PromptTokens - 40))[^1];
    }

    private static int[] Prompt(ShardedModel model) =>
        TestPrompts.Random(new Random(22), PromptTokens, model.Config.VocabularySize);
}
