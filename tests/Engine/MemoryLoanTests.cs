namespace PdEngine.Tests;

/// <summary>Memory goes back to the system for a while, and everything goes on as before.</summary>
public sealed class MemoryLoanTests
{
    [Test]
    public async Task Requests_outlive_a_loan(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend,
        [Values] KvDomainKind domain,
        [Values(LoanedMemory.Weights, LoanedMemory.KvCache, LoanedMemory.All)] LoanedMemory what)
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options(backend, domain));
        EngineModel model = engine.Models[0];
        GenerateRequest[] requests = [.. Enumerable.Range(0, 6).Select(seed => UpdateRig.Request(seed, 60))];
        Generation[] expected = [.. await engine.GenerateAsync(requests)];
        Task<Generation>[] running = [.. requests.Select(request => engine.GenerateAsync(request))];
        await model.ReleaseMemoryAsync(what);
        Assert.That(model.LeakReport(), Has.Property(nameof(KvLeakReport.Holders)).Zero);
        Task<Generation> late = engine.GenerateAsync(requests[0]);
        await Task.Delay(10);
        Assert.That(late.IsCompleted, Is.False);
        await model.ResumeMemoryAsync();
        Generation[] ended = await Task.WhenAll(running);
        for (int i = 0; i < ended.Length; i++)
        {
            EngineRig.AssertSame(expected[i], ended[i], $"request {i}");
            Assert.That(ended[i].WeightVersions, Has.Count.EqualTo(1));
            Assert.That(ended[i].HasMixedKv, Is.False);
        }
        EngineRig.AssertSame(expected[0], await late, "late");
        await PdRig.AssertAllFreeAsync(engine, $"{backend}, {what}");
    }

    [Test]
    public async Task Weights_that_were_pushed_are_pushed_again_after_a_loan()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        using WeightUpdate first = UpdateRig.Buckets(4), second = UpdateRig.Buckets(4);
        using WeightUpdate partial = new() { IsPartial = true };
        partial.Add("model.norm.weight", [64], new float[64]);
        await model.UpdateWeightsAsync(first);
        await model.ReleaseMemoryAsync(LoanedMemory.Weights);
        Assert.ThrowsAsync<WeightUpdateException>(model.ResumeMemoryAsync);
        Assert.ThrowsAsync<WeightUpdateException>(() => model.UpdateWeightsAsync(partial));
        await model.UpdateWeightsAsync(second);
        await model.ResumeMemoryAsync();
        await using Engine fresh = await UpdateRig.FreshAsync("reference", 4);
        EngineRig.AssertSameBits(
            await UpdateRig.PrintAsync(fresh), await UpdateRig.PrintAsync(engine), "pushed again");
    }

    [Test]
    public void The_systems_memory_comes_back([ValueSource(nameof(CpuBackends))] string backend)
    {
        using IBackend device = TestBackends.Require(backend).Open!();
        KvLayout layout = KvLayout.GroupedQuery(4, 64, 4, 64, device.KvElement);
        const int blockCount = 128;
        using KvStore store = device.CreateKvStore(layout, blockCount);
        nint address = ((CpuKvStore)store).LayerAddress(0);
        long bytes = layout.BlockBytes * blockCount;
        Touch(address, bytes);
        Assert.That(ResidentBytes(address, bytes), Is.GreaterThanOrEqualTo(bytes));
        store.Vacate();
        Assert.That(ResidentBytes(address, bytes), Is.LessThan(bytes / 20));
        Touch(address, bytes);
    }

    [Test]
    [NonParallelizable]
    public async Task A_loan_gives_back_what_the_service_held(
        [ValueSource(nameof(CpuBackends))] string backend, [Values] bool isPushed)
    {
        string folder = Path.Combine(
            Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", "loan");
        RandomCheckpoint.Write(folder, TinyModel.Config("llama", ("hidden_size", "512"),
            ("intermediate_size", "2048"), ("num_hidden_layers", "6"), ("vocab_size", "16000"),
            ("num_attention_heads", "8"), ("num_key_value_heads", "8"), ("head_dim", "64"),
            ("max_position_embeddings", "2048")), seed: 1);
        EngineOptions options = PdRig.On(EngineRig.Options(folder), backend) with { MaxTotalTokens = 4096 };
        long before = ProcessBytes();
        await using Engine engine = await Engine.StartAsync(options);
        await engine.GenerateAsync(new GenerateRequest
        {
            InputIds = EngineRig.Ids(new Random(1), 2000, 16_000), Sampling = new() { MaxNewTokens = 2 },
        });
        using WeightUpdate update = WeightUpdate.FromFolder(folder);
        if (isPushed)
            await engine.Models[0].UpdateWeightsAsync(update, new() { Stages = true });
        long held = ProcessBytes() - before;
        await engine.Models[0].ReleaseMemoryAsync(LoanedMemory.All);
        long left = ProcessBytes() - before;
        if (isPushed)
            await engine.Models[0].UpdateWeightsAsync(update);
        await engine.Models[0].ResumeMemoryAsync();
        TestContext.Out.WriteLine($"{held / 1e6:F1} MB held, {left / 1e6:F1} MB left");
        // Weights that were replaced are kept for the next update.
        int sets = isPushed ? 2 : 1;
        long loanable = (sets * WeightBytes(folder)) + (2000L * 6 * 2 * 8 * 64 * sizeof(ushort));
        Assert.That(held - left, Is.GreaterThan(0.95 * loanable), $"{held} held, {left} left");
    }

    private static IEnumerable<string> CpuBackends() =>
        PdRig.Backends().Where(name => name != "reference");

    private static long WeightBytes(string folder)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        return ModelTensors.Of(checkpoint.Config)
            .Sum(tensor => TensorShape.Count(tensor.Shape) * sizeof(ushort));
    }

    private static unsafe void Touch(nint address, long bytes) =>
        new Span<byte>((void*)address, (int)bytes).Fill(7);

    /// <summary>Private memory of this process that has pages, garbage aside.</summary>
    private static long ProcessBytes()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        string line = File.ReadLines("/proc/self/status").First(text => text.StartsWith("RssAnon:"));
        return Kilobytes(line) * 1024;
    }

    /// <summary>Bytes with pages in the mappings that hold a range.</summary>
    private static long ResidentBytes(nint address, long bytes)
    {
        long resident = 0;
        bool isInside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            int dash = line.IndexOf('-');
            int space = line.IndexOf(' ');
            if (dash > 0 && space > dash && long.TryParse(
                line.AsSpan(0, dash), System.Globalization.NumberStyles.HexNumber, null, out long first))
            {
                long end = Convert.ToInt64(line[(dash + 1)..space], 16);
                isInside = first < address + bytes && address < end;
            }
            else if (isInside && line.StartsWith("Rss:"))
            {
                resident += Kilobytes(line) * 1024;
            }
        }
        return resident;
    }

    private static long Kilobytes(string line) => long.Parse(
        line[(line.IndexOf(':') + 1)..].Replace("kB", "").Trim(),
        System.Globalization.CultureInfo.InvariantCulture);
}
