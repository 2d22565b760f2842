using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Thread blocks are dealt all of the work, once, in shapes that a GPU can launch.</summary>
[Category("Cuda")]
public sealed class CudaPlanTests
{
    private const int HopperBytes = 227 * 1024;

    [Test]
    public void Every_split_of_every_tile_is_dealt_out_once(
        [Values(1, 2, 3, 4, 5, 6, 7, 8)] int seed, [Values(0, 700)] int window,
        [Values(HopperBytes, 99 * 1024)] int sharedBytes)
    {
        Random random = new(seed);
        AttentionShape shape = new(32, 8, 128);
        AttentionSlice[] slices = new AttentionSlice[random.Next(1, 40)];
        for (int i = 0; i < slices.Length; i++)
        {
            int queries = seed % 2 == 0 ? 1 : random.Next(0, 3000);
            slices[i] = new(0, queries, random.Next(0, 9000), 0);
        }
        long rows = 0;
        foreach (int height in CudaAttentionPlan.TileHeights)
        {
            CudaAttentionPlan plan = new(height);
            plan.Make(slices, shape, window, 132, sharedBytes);
            rows += CheckUnits(plan, slices, shape, window, $"seed {seed}, height {height}");
        }
        Assert.That(rows, Is.EqualTo(slices.Sum(slice => (long)slice.QueryCount * 4)), $"seed {seed}");
    }

    [Test]
    public void Every_product_has_a_plan_that_its_gpu_can_launch(
        [Values(HopperBytes, 163 * 1024, 99 * 1024)] int sharedBytes, [Values(1, 2, 4)] int segments,
        [Values(1, 16, 17, 64, 100, 500, 8192)] int rows)
    {
        foreach (int outputs in (int[])[8, 1000, 28672, 151936])
        {
            CudaGemmShape shape = new(rows, outputs, 4096, segments);
            CudaGemmPlan plan = CudaGemmPlan.For(shape, sharedBytes, 132);
            Assert.That(plan.Fits(shape, sharedBytes), $"{shape}: {plan}");
            Assert.That(plan.Grid.X * plan.Tile.Outputs, Is.GreaterThanOrEqualTo(outputs));
            Assert.That(plan.Grid.Y * plan.Tile.Rows, Is.GreaterThanOrEqualTo(rows));
        }
    }

    [Test]
    public void A_decode_step_s_products_fill_a_gpu([Values(32, 64)] int rows)
    {
        foreach ((int outputs, int columns, int segments) in ((int, int, int)[])
            [(6144, 4096, 1), (4096, 4096, 4), (28672, 4096, 1), (4096, 14336, 4), (2048, 8192, 4)])
        {
            CudaGemmPlan plan = CudaGemmPlan.For(new(rows, outputs, columns, segments), HopperBytes, 132);
            Assert.That(plan.Grid.X * plan.Grid.Y * plan.Grid.Z, Is.GreaterThanOrEqualTo(96), $"{plan}");
        }
    }

    /// <summary>Rows that the plan's tiles have.</summary>
    private static long CheckUnits(
        CudaAttentionPlan plan, AttentionSlice[] slices, AttentionShape shape, int window, string what)
    {
        int group = shape.HeadCount / shape.KvHeadCount;
        Dictionary<(int Slice, int Row), List<CudaAttentionUnit>> tiles = [];
        int longest = int.MaxValue;
        foreach (CudaAttentionUnit unit in plan.Units)
        {
            Assert.That(unit.SplitCount, Is.InRange(1, longest), what);
            longest = unit.SplitCount;
            if (!tiles.TryGetValue((unit.Slice, unit.FirstRow), out List<CudaAttentionUnit>? units))
                tiles.Add((unit.Slice, unit.FirstRow), units = []);
            units.Add(unit);
        }
        long rows = 0;
        HashSet<int> partials = [];
        foreach (((int index, int row), List<CudaAttentionUnit> units) in tiles)
        {
            AttentionSlice slice = slices[index];
            int end = Math.Min(row + plan.TileRows, slice.QueryCount * group);
            rows += end - row;
            int firstKey = window > 0 ? Math.Max(0, slice.Start + (row / group) + 1 - window) : 0;
            int next = firstKey / CudaAttentionPlan.SplitKeys;
            int lastSplit = (slice.Start + ((end - 1) / group)) / CudaAttentionPlan.SplitKeys;
            foreach (CudaAttentionUnit unit in units.OrderBy(unit => unit.FirstSplit))
            {
                Assert.That(unit.FirstSplit, Is.EqualTo(next), what);
                next += unit.SplitCount;
                for (int i = 0; i < unit.SplitCount && unit.Partial >= 0; i++)
                    Assert.That(partials.Add(unit.Partial + i), what);
            }
            Assert.That(next, Is.EqualTo(lastSplit + 1), what);
            Assert.That(units.Count == 1, Is.EqualTo(units[0].Partial < 0), what);
        }
        Assert.That(partials, Has.Count.EqualTo(plan.PartialCount), what);
        return rows;
    }
}
