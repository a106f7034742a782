package app;

import com.amazonaws.services.lambda.runtime.Context;

/** A handler by its method: an object in, an object out. */
public class Orders {
    private int served;

    public static class Order {
        private String item;
        private int count;

        public String getItem() { return item; }
        public void setItem(String item) { this.item = item; }
        public int getCount() { return count; }
        public void setCount(int count) { this.count = count; }
    }

    public static class Receipt {
        private final String item;
        private final int total;
        private final int served;

        Receipt(String item, int total, int served) {
            this.item = item;
            this.total = total;
            this.served = served;
        }

        public String getItem() { return item; }
        public int getTotal() { return total; }
        public int getServed() { return served; }
    }

    public Receipt buy(Order order, Context context) {
        if (order.getCount() < 0) {
            throw new IllegalArgumentException("less than nothing");
        }
        return new Receipt(order.getItem(), 2 * order.getCount(), ++served);
    }
}
