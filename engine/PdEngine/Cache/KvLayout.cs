namespace PdEngine;

/// <summary>
/// Where K and V lie. One block is one contiguous run; inside it layers, inside a layer planes, inside a
/// plane heads, each contiguous. The order inside one head of one block belongs to the backend.
/// </summary>
internal sealed class KvLayout
{
    public KvLayout(int layerCount, int pageSize, IReadOnlyList<KvPlane> planes)
    {
        Check.That(layerCount > 0 && planes.Count > 0);
        Check.That(pageSize is >= 1 and <= 256 && int.IsPow2(pageSize));
        LayerCount = layerCount;
        PageSize = pageSize;
        Planes = planes;
        foreach (KvPlane plane in planes)
        {
            Check.That(plane.Heads == planes[0].Heads);
            LayerBytes += plane.Heads * HeadBytes(plane);
        }
    }

    public int LayerCount { get; }

    /// <summary>
    /// Layers that are handed over at once while later ones are still being computed: enough for a copy to be
    /// fast, and a quarter of the model at most.
    /// </summary>
    public int GroupLayers => GroupLayersOf(LayerCount);

    /// <summary>Groups of so many layers, the last of which may be smaller.</summary>
    public int GroupCount => (LayerCount + GroupLayers - 1) / GroupLayers;

    /// <summary>Positions per block.</summary>
    public int PageSize { get; }

    public IReadOnlyList<KvPlane> Planes { get; }

    /// <summary>Bytes of one layer of one block.</summary>
    public long LayerBytes { get; }

    /// <summary>Bytes of one block over all layers.</summary>
    public long BlockBytes => LayerBytes * LayerCount;

    /// <summary>
    /// Heads of each plane. Planes are sharded alike, so they all have as many.
    /// </summary>
    public int HeadCount => Planes[0].Heads;

    /// <summary>Bytes of one head of one plane of one block.</summary>
    public long HeadBytes(KvPlane plane) => (long)PageSize * plane.Width * (int)plane.Element;

    /// <summary>Blocks that hold this many positions.</summary>
    public int BlocksFor(int tokenCount) => (tokenCount + PageSize - 1) / PageSize;

    /// <summary>The same with another number of heads.</summary>
    public KvLayout WithHeads(int heads)
    {
        KvPlane[] planes = new KvPlane[Planes.Count];
        for (int plane = 0; plane < planes.Length; plane++)
            planes[plane] = Planes[plane] with { Heads = heads };
        return new(LayerCount, PageSize, planes);
    }

    /// <inheritdoc cref="GroupLayers"/>
    public static int GroupLayersOf(int layerCount) => Math.Clamp((layerCount + 3) / 4, 1, 8);

    /// <summary>Whether a head of one has the same bytes as a head of the other.</summary>
    public bool HasHeadsOf(KvLayout other)
    {
        if (LayerCount != other.LayerCount || PageSize != other.PageSize)
            return false;
        if (Planes.Count != other.Planes.Count)
            return false;
        for (int plane = 0; plane < Planes.Count; plane++)
        {
            if (Planes[plane] != other.Planes[plane] with { Heads = Planes[plane].Heads })
                return false;
        }
        return true;
    }

    /// <summary>The layout of grouped-query attention: a K plane and a V plane.</summary>
    public static KvLayout GroupedQuery(
        int layerCount, int pageSize, int kvHeads, int headDim, KvElement element) =>
        new(layerCount, pageSize, [new(kvHeads, headDim, element), new(kvHeads, headDim, element)]);
}
