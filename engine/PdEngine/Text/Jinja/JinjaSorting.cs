namespace PdEngine;

/// <summary>A stable sort whose comparison may throw; the framework's own is neither.</summary>
internal static class JinjaSorting
{
    public static void Sort<T>(List<T> items, Comparison<T> compare)
    {
        T[] source = [.. items];
        T[] target = new T[source.Length];
        for (int width = 1; width < source.Length; width *= 2)
        {
            for (int start = 0; start < source.Length; start += 2 * width)
                Merge(source, target, start, width, compare);
            (source, target) = (target, source);
        }
        for (int index = 0; index < source.Length; index++)
            items[index] = source[index];
    }

    private static void Merge<T>(T[] source, T[] target, int start, int width, Comparison<T> compare)
    {
        int middle = Math.Min(start + width, source.Length);
        int end = Math.Min(start + (2 * width), source.Length);
        int left = start;
        int right = middle;
        for (int index = start; index < end; index++)
        {
            bool takeLeft = left < middle && (right >= end || compare(source[left], source[right]) <= 0);
            target[index] = takeLeft ? source[left++] : source[right++];
        }
    }
}
