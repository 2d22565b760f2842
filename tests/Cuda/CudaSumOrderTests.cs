namespace PdEngine.Tests;

/// <summary>
/// What ranks on virtual GPUs have made is added pairwise, in the order of the ranks, whether they reach each
/// other's memory or gather.
/// </summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed class CudaSumOrderTests
{
    private const int Columns = 64;

    [SetUp]
    [TearDown]
    public void All_is_well_again() => LibraryStandIns.SetNccl();

    [Test]
    public void Peers_are_added_pairwise(
        [Values("0,1,2,3", "0,0,1,1", "0,0,0,0", "0,1")] string gpus, [Values(0, 3)] int seed)
    {
        using CudaDevices devices = Open(gpus, seed, hasPeers: true);
        Sum sum = new(devices.Backends.Count, seed);
        List<Tensor> partials =
            [.. devices.Backends.Select(rank => rank.CreateShared(1, Columns, devices.Backends))];
        for (int rank = 0; rank < partials.Count; rank++)
        {
            partials[rank].WriteRow(0, sum.Parts[rank]);
            devices.Backends[rank].Publish();
        }
        foreach (IBackend rank in devices.Backends)
        {
            using Tensor residual = rank.CreateTensor(1, Columns);
            residual.WriteRow(0, sum.Residual);
            foreach (IBackend other in devices.Backends.Where(other => other != rank))
                rank.Follow(other);
            rank.AddPartials([.. partials], null, residual, 0, Columns);
            sum.AssertIs(residual, $"{gpus}, seed {seed}");
        }
        partials.ForEach(partial => partial.Dispose());
    }

    [Test]
    public async Task What_was_gathered_is_added_pairwise(
        [Values("0,1,2,3", "0,1")] string gpus, [Values(0, 3)] int seed)
    {
        using CudaDevices devices = Open(gpus, seed, hasPeers: false);
        Sum sum = new(devices.Backends.Count, seed);
        using CudaRankGather gather = devices.Backends[0].CreateGather(devices.Backends, Columns)!;
        await Task.WhenAll(Enumerable.Range(0, devices.Backends.Count).Select(rank => Task.Factory.StartNew(
            () =>
            {
                IBackend own = devices.Backends[rank];
                using Tensor partial = own.CreateTensor(1, Columns);
                using Tensor residual = own.CreateTensor(1, Columns);
                partial.WriteRow(0, sum.Parts[rank]);
                residual.WriteRow(0, sum.Residual);
                gather.Add(rank, partial, null, residual, () => false);
                sum.AssertIs(residual, $"rank {rank} of {gpus}, seed {seed}");
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    private static CudaDevices Open(string gpus, int seed, bool hasPeers)
    {
        int[] ordinals = [.. gpus.Split(',').Select(int.Parse)];
        StandIn.Reset(ordinals.Max() + 1, (ulong)seed);
        StandIn.SetPeers(hasPeers);
        return CudaDevices.Open(
            new CudaOptions { DriverPath = StandIn.Path, NcclPath = LibraryStandIns.Nccl, Gpus = ordinals },
            ordinals.Length);
    }

    /// <summary>Parts whose sum differs by the order they are added in, and what it is to be.</summary>
    private sealed class Sum
    {
        private readonly float[] _wanted;

        public Sum(int count, int seed)
        {
            Random random = new(seed);
            Parts = [.. Enumerable.Range(0, count).Select(_ => Values(random))];
            Residual = Values(random);
            _wanted = count == 2 ? In((p, i) => p[0][i] + p[1][i])
                : In((p, i) => (p[0][i] + p[1][i]) + (p[2][i] + p[3][i]));
            if (count == 2)
                return;
            float[][] others =
            [
                In((p, i) => (p[0][i] + p[2][i]) + (p[1][i] + p[3][i])),
                In((p, i) => (p[0][i] + p[3][i]) + (p[1][i] + p[2][i])),
                In((p, i) => ((p[0][i] + p[1][i]) + p[2][i]) + p[3][i]),
            ];
            foreach (float[] other in others)
                Assert.That(other, Is.Not.EqualTo(_wanted), $"seed {seed}: the order must be seen");
        }

        public float[][] Parts { get; }

        public float[] Residual { get; }

        public void AssertIs(Tensor tensor, string what)
        {
            float[] came = new float[Columns];
            tensor.ReadRow(0, 0, came);
            Assert.That(
                came.Select(BitConverter.SingleToInt32Bits),
                Is.EqualTo(_wanted.Select(BitConverter.SingleToInt32Bits)), what);
        }

        private float[] In(Func<float[][], int, float> order) =>
            [.. Enumerable.Range(0, Columns).Select(i => Residual[i] + order(Parts, i))];

        private static float[] Values(Random random) =>
            [.. Enumerable.Range(0, Columns).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }
}
